"""Bodies to texts, and results to answers, in each dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.body import Body, Form, Json, Text
from sentiment.dialects import dialect_of, native, native_many
from sentiment.errors import Malformed, RequestError, TooLarge, Validation
from sentiment.prediction import Prediction
from sentiment.response import answer, refusal
from sentiment.settings import Settings

SETTINGS = Settings(
    max_texts_per_request=3,
    max_chars_per_text=20,
    max_response_bytes=1_000,
    max_tokens=16,
    tokens_per_microbatch=64,
    batch_seconds=10,
    threads=1,
)
GOOD = Prediction("POSITIVE", 0.75, {"NEGATIVE": 0.25, "POSITIVE": 0.75}, 3, False)


def decode(body: Body) -> list[str | RequestError]:
    return dialect_of(body).decode(body, SETTINGS).texts


@pytest.mark.parametrize(
    "body",
    [Text("good"), Json({"text": "good"}), Form({"text": "good"}), Form({"data": "good"})],
)
def test_native_takes_a_text_in_each_of_its_forms(body: Body) -> None:
    assert dialect_of(body) is native
    assert decode(body) == ["good"]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("just a string", "an object"),
        (["a", "b"], "not a list"),
        (None, "not null"),
        (3, "not a number"),
        (True, "not a boolean"),
        ({}, '"text"'),
        ({"txet": "good"}, '"txet"'),
        ({"text": "good", "top_k": 1}, '"top_k"'),
        ({"text": 3}, "a string, not a number"),
        ({"text": None}, "not null"),
        ({"text": ["good"]}, "not a list"),
        ({"text": ""}, "blank"),
        ({"text": " \n\t\u3000"}, "blank"),
    ],
)
def test_the_wrong_shape_is_told_what_to_change(value: object, says: str) -> None:
    with pytest.raises(Validation) as caught:
        decode(Json(value))
    assert says in caught.value.message
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "fields", [{}, {"txt": "good"}, {"text": "good", "data": "good"}, {"text": "a", "b": "c"}]
)
def test_a_form_has_exactly_one_text(fields: dict[str, str]) -> None:
    with pytest.raises(Validation, match='"text" or "data"'):
        decode(Form(fields))


def test_a_lone_surrogate_is_malformed() -> None:
    with pytest.raises(Malformed, match="character 2"):
        decode(Json({"text": "a\ud800b"}))


def test_a_text_of_too_many_characters_is_too_large() -> None:
    with pytest.raises(TooLarge, match="21 characters; the most is 20"):
        decode(Text("x" * 21))
    assert decode(Text("x" * 20)) == ["x" * 20]


def test_many_texts_each_have_their_own_error() -> None:
    body = Json({"texts": ["good", "", 3]})
    assert dialect_of(body) is native_many
    text, blank, number = decode(body)
    assert text == "good"
    assert isinstance(blank, Validation)
    assert isinstance(number, Validation)
    entries = native_many.encode([GOOD, blank, number])
    assert json.loads(answer(entries).body)["results"][1] == {
        "error": "The text is blank: send some words.",
        "error_type": "Validation",
    }


@pytest.mark.parametrize("texts", ["a string", None, {}, 7])
def test_texts_must_be_a_list(texts: object) -> None:
    with pytest.raises(Validation, match="list of strings"):
        decode(Json({"texts": texts}))


def test_the_number_of_texts_has_a_lower_and_an_upper_bound() -> None:
    with pytest.raises(Validation, match="at least one"):
        decode(Json({"texts": []}))
    with pytest.raises(TooLarge, match="4 texts; the most in one request is 3"):
        decode(Json({"texts": ["good"] * 4}))


def test_text_and_texts_at_once_are_refused() -> None:
    with pytest.raises(Validation, match='no field named "text"'):
        decode(Json({"texts": ["a"], "text": "b"}))


def test_an_answer_is_the_contract_to_the_letter() -> None:
    response = answer(native.encode([GOOD]))
    assert (response.status, response.reason, response.content_type) == (
        200,
        "OK",
        "application/json",
    )
    assert response.body == (
        b'{"sentiment": "POSITIVE", "score": 0.75, '
        b'"scores": {"NEGATIVE": 0.25, "POSITIVE": 0.75}, "tokens": 3, "truncated": false}'
    )


def test_one_text_with_an_error_is_that_error() -> None:
    with pytest.raises(Validation):
        native.encode([Validation("no")])


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
def test_any_json_decodes_or_is_refused_in_ascii(value: object) -> None:
    for body in (Json(value), Json({"text": value}), Json({"texts": value})):
        try:
            assert decode(body)
        except RequestError as error:
            assert refusal(error).body.isascii()
            assert refusal(error).reason.isascii()


@given(st.dictionaries(st.text(st.characters()), st.text(), min_size=1))
def test_a_field_of_any_name_is_refused_in_ascii(fields: dict[str, str]) -> None:
    try:
        decode(Form(fields))
    except RequestError as error:
        assert refusal(error).body.isascii()
