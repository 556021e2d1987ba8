"""Each dialect decodes bodies to texts, and encodes results to answers."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.errors import Malformed, Overloaded, RequestError, TooLarge, Unsupported, Validation
from sentiment.inference.prediction import Prediction
from sentiment.protocol.body import Body, Form, Json, Text
from sentiment.protocol.dialects import DIALECTS, dialect_of
from sentiment.protocol.request import Request
from sentiment.protocol.response import error_response, ok
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel
from sentiment.settings import Settings

SERVICE = ServedModel(
    "sentiment",
    "1.0",
    ("NEGATIVE", "POSITIVE"),
    Settings(
        engine="torch",
        max_texts_per_request=3,
        max_chars_per_text=20,
        max_response_bytes=1_000,
        max_tokens=16,
        max_windows=4,
        explain_tokens=600,
        languages=["en"],
        threshold=0.0,
        tokens_per_microbatch=64,
        batch_seconds=10,
        threads=1,
        cache_entries=0,
        background_models=[],
    ),
    min_tokens=3,
)
GOOD = Prediction("POSITIVE", 0.75, {"NEGATIVE": 0.25, "POSITIVE": 0.75}, tokens=3)
BEST = {"label": "POSITIVE", "score": 0.75}
ALL = [BEST, {"label": "NEGATIVE", "score": 0.25}]
NATIVE = {
    "sentiment": "POSITIVE",
    "score": 0.75,
    "scores": {"NEGATIVE": 0.25, "POSITIVE": 0.75},
    "tokens": 3,
    "windows": 1,
    "truncated": False,
}
PREDICTIONS, KSERVE, INVOCATIONS, GRPC = Route


def tensor(**changes: object) -> dict[str, object]:
    return {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]} | changes


def infer_ok(**changes: object) -> dict[str, object]:
    label = {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["POSITIVE", "POSITIVE"]}
    score = {"name": "score", "shape": [2], "datatype": "FP32", "data": [0.75, 0.75]}
    whole = {"model_name": "sentiment", "model_version": "1.0", "outputs": [label, score]}
    return whole | changes


def decode(body: Body, route: Route = PREDICTIONS) -> Request:
    return dialect_of(route, body).decode(body, SERVICE)


def predict(
    body: Body, route: Route = PREDICTIONS, result: Prediction | RequestError = GOOD
) -> Any:
    """The answer to `body` if each text has this `result`."""
    dialect = dialect_of(route, body)
    request = dialect.decode(body, SERVICE)
    results = [text if isinstance(text, RequestError) else result for text in request.texts]
    return json.loads(ok(dialect.encode(request, results, SERVICE)).body)


@pytest.mark.parametrize(
    ("route", "value", "expected"),
    [
        (PREDICTIONS, {"text": "a"}, NATIVE),
        (PREDICTIONS, {"texts": ["a", "b"]}, {"results": [NATIVE, NATIVE]}),
        (PREDICTIONS, {"inputs": "a"}, [ALL]),
        (PREDICTIONS, {"inputs": "a", "parameters": {}}, [ALL]),
        (PREDICTIONS, {"inputs": "a", "parameters": None}, [ALL]),
        (PREDICTIONS, {"inputs": ["a", "b"]}, [ALL, ALL]),
        (PREDICTIONS, {"inputs": ["a"], "parameters": {"top_k": 1}}, [[BEST]]),
        (PREDICTIONS, {"inputs": "a", "parameters": {"top_k": 99}}, [ALL]),
        (INVOCATIONS, {"inputs": "a"}, ALL),
        (INVOCATIONS, {"inputs": ["a", "b"]}, [ALL, ALL]),
        (INVOCATIONS, {"inputs": [["a"], "b"]}, [ALL, ALL]),
        (INVOCATIONS, {"inputs": "a", "raw_scores": False, "truncate": None}, ALL),
        (INVOCATIONS, {"inputs": "a", "parameters": {}}, [BEST]),
        (INVOCATIONS, {"inputs": ["a", "b"], "parameters": {}}, [BEST, BEST]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"top_k": 1}}, [BEST]),
        (INVOCATIONS, {"inputs": ["a"], "parameters": {"top_k": 1}}, [[BEST]]),
        (INVOCATIONS, {"inputs": ["a"], "parameters": {"top_k": None}}, [ALL]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"truncation": True}}, [BEST]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"truncation": False}}, [BEST]),
        (INVOCATIONS, {"inputs": "a", "options": {"use_cache": False}}, [BEST]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"return_all_scores": True}}, [ALL[::-1]]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"return_all_scores": False}}, [BEST]),
        (INVOCATIONS, {"inputs": "a", "parameters": {"batch_size": 8, "num_workers": 2}}, [BEST]),
        (
            PREDICTIONS,
            {"inputs": "a", "parameters": {"pad_to_multiple_of": 8, "stride": 0, "verbose": False}},
            [ALL],
        ),
        (PREDICTIONS, {"inputs": "a", "options": {"wait_for_model": True}}, [ALL]),
        (PREDICTIONS, {"inputs": "a", "options": None, "parameters": {"top_k": None}}, [ALL]),
        (PREDICTIONS, {"inputs": "a", "parameters": {"return_all_scores": True}}, [ALL]),
        (PREDICTIONS, {"inputs": "a", "parameters": {"return_all_scores": False}}, [[BEST]]),
        (
            PREDICTIONS,
            {"inputs": "a", "parameters": {"truncation": "longest_first", "padding": "max_length"}},
            [ALL],
        ),
        (INVOCATIONS, {"inputs": "a", "truncation_direction": "Right"}, ALL),
        (KSERVE, {"instances": ["a", {"text": "b"}]}, {"predictions": [BEST, BEST]}),
        (KSERVE, {"instances": [{"data": "a"}]}, {"predictions": [BEST]}),
        (KSERVE, {"signature_name": "x", "instances": ["a"]}, {"predictions": [BEST]}),
        (KSERVE, {"id": "42", "inputs": [tensor()]}, infer_ok(id="42")),
        (KSERVE, {"inputs": [tensor(shape=[2, 1], data=[["a"], ["b"]])]}, infer_ok()),
        (
            KSERVE,
            {"inputs": [tensor()], "outputs": [{"name": "score"}], "parameters": {"x": 1}},
            infer_ok(outputs=[infer_ok()["outputs"][1]]),  # type: ignore[index]
        ),
        (GRPC, {"text": "a"}, NATIVE),
        (GRPC, {"texts": ["a"]}, {"results": [NATIVE]}),
        (GRPC, {"inputs": "a"}, [ALL]),
        (GRPC, {"inputs": "a", "parameters": {"top_k": 1}}, [[BEST]]),
        (GRPC, {"inputs": "a", "raw_scores": False}, ALL),
        (GRPC, {"inputs": [["a"], ["b"]]}, [ALL, ALL]),
        (GRPC, {"instances": ["a"]}, {"predictions": [BEST]}),
        (GRPC, {"inputs": [tensor()]}, infer_ok()),
    ],
)
def test_each_dialect_answers_in_its_own_shape(
    route: Route, value: object, expected: object
) -> None:
    assert predict(Json(value), route) == expected


@pytest.mark.parametrize("body", [Text("a"), Form({"text": "a"}), Form({"data": "a"})])
@pytest.mark.parametrize("route", [PREDICTIONS, GRPC])
def test_a_text_or_a_form_is_answered_natively(route: Route, body: Body) -> None:
    assert predict(body, route) == NATIVE


def test_a_request_with_a_query_is_sagemakers() -> None:
    assert predict(Json({"inputs": "a"}, {"model_name": "sentiment"}), INVOCATIONS) == [BEST]
    with pytest.raises(Validation, match='"top_k"'):
        predict(Json({"inputs": "a"}, {"top_k": "1"}), INVOCATIONS)


def test_binary_tensors_are_read() -> None:
    without = {name: value for name, value in tensor().items() if name != "data"}
    value: Any = {"inputs": [without | {"parameters": {"binary_data_size": 12}}]}
    body = Json(value, binary=b"\x03\0\0\0a b\x02\0\0\0\xc3\xa9")
    with pytest.raises(Malformed, match="13 bytes"):
        decode(body, KSERVE)
    del value["inputs"][0]["parameters"]
    assert decode(body, KSERVE).texts == ["a b", "é"]
    with pytest.raises(Validation, match="both"):
        decode(Json({"inputs": [tensor()]}, binary=b"\x01\0\0\0a"), KSERVE)
    with pytest.raises(Validation, match="version 2"):
        decode(Json({"instances": ["a"]}, binary=b"\x01\0\0\0a"), KSERVE)
    for broken, error in [
        (b"", Validation),
        (b"\x03\0", Malformed),
        (b"\x09\0\0\0a", Malformed),
        (b"\x01\0\0\0\xff", Malformed),
        (b"\x01\0\0\0a", Validation),
        (b"\x01\0\0\0a" * 4, TooLarge),
    ]:
        with pytest.raises(error):
            decode(Json(value, binary=broken), KSERVE)


@pytest.mark.parametrize(
    ("route", "value", "activation"),
    [
        (PREDICTIONS, {"inputs": "a"}, None),
        (PREDICTIONS, {"inputs": "a", "parameters": {"function_to_apply": "sigmoid"}}, "sigmoid"),
        (INVOCATIONS, {"inputs": "a", "parameters": {"function_to_apply": "none"}}, "none"),
        (INVOCATIONS, {"inputs": "a", "raw_scores": True}, "none"),
        (INVOCATIONS, {"inputs": "a", "parameters": {"function_to_apply": "SIGMOID"}}, "sigmoid"),
        (PREDICTIONS, {"inputs": "a", "parameters": {"function_to_apply": "SoftMax"}}, "softmax"),
        (INVOCATIONS, {"inputs": "a", "raw_scores": False}, None),
        (PREDICTIONS, {"text": "a"}, None),
    ],
)
def test_options_choose_the_activation(route: Route, value: object, activation: str | None) -> None:
    assert decode(Json(value), route).options.activation == activation


@pytest.mark.parametrize(
    ("parameters", "max_tokens"),
    [
        ({}, None),
        ({"max_length": None}, None),
        ({"max_length": 9}, 9),
        ({"max_length": 9, "truncation": True}, 9),
        ({"max_length": 9, "truncation": "only_first"}, 9),
        ({"max_length": 9, "truncation": False}, None),
        ({"max_length": 9, "truncation": "do_not_truncate"}, None),
    ],
)
@pytest.mark.parametrize("route", [PREDICTIONS, INVOCATIONS])
def test_max_length_truncates_unless_truncation_is_off(
    route: Route, parameters: dict[str, object], max_tokens: int | None
) -> None:
    request = decode(Json({"inputs": "a", "parameters": parameters}), route)
    assert request.options.max_tokens == max_tokens


def test_labels_are_ranked_by_unrounded_scores() -> None:
    """Both scores are rounded to 1.0."""
    close = Prediction("b", 0.99999988, {"a": 0.9999996, "b": 0.99999988}, tokens=3)
    for route, value in [
        (PREDICTIONS, {"inputs": "a", "parameters": {"top_k": 1}}),
        (INVOCATIONS, {"inputs": "a", "parameters": {"top_k": 1}}),
        (INVOCATIONS, {"inputs": "a", "raw_scores": False}),
    ]:
        answer = predict(Json(value), route, close)
        assert (answer[0][0] if route is PREDICTIONS else answer[0])["label"] == "b"
    assert predict(Json({"text": "a"}), PREDICTIONS, close)["sentiment"] == "b"


@pytest.mark.parametrize(
    ("route", "value", "says"),
    [
        (PREDICTIONS, "just a string", "Expected an object, got a string"),
        (PREDICTIONS, ["a", "b"], "got a list"),
        (PREDICTIONS, None, "got null"),
        (PREDICTIONS, True, "got a boolean"),
        (PREDICTIONS, {}, '"text" is missing'),
        (PREDICTIONS, {"txet": "good"}, 'no field named "txet"'),
        (PREDICTIONS, {"text": "good", "top_k": 1}, '"top_k"'),
        (PREDICTIONS, {"text": 3}, '"text": Expected a string, got a whole number'),
        (PREDICTIONS, {"text": None}, "got null"),
        (PREDICTIONS, {"text": ""}, "blank"),
        (PREDICTIONS, {"text": " \n\t\u3000"}, "blank"),
        (PREDICTIONS, {"texts": "a"}, '"texts": Expected a list'),
        (PREDICTIONS, {"texts": None}, '"texts": Expected a list'),
        (PREDICTIONS, {"texts": []}, "at least one"),
        (PREDICTIONS, {"texts": ["a"], "text": "b"}, 'no field named "text"'),
        (PREDICTIONS, {"inputs": []}, "at least one"),
        (PREDICTIONS, {"inputs": ["a", " "]}, "At index 1: The text is blank"),
        (
            PREDICTIONS,
            {"inputs": [["a", "b"]]},
            "At index 0: The text must be a string",
        ),
        (PREDICTIONS, {"inputs": {"text": "a"}}, "single texts, not pairs"),
        (PREDICTIONS, {"inputs": ["a", {"text": "a"}]}, "At index 1: This model scores single"),
        (PREDICTIONS, {"inputs": 3}, '"inputs": Expected a string'),
        (PREDICTIONS, {"inputs": "a", "parameters": {"top_k": 0}}, "a whole number >= 1"),
        (PREDICTIONS, {"inputs": "a", "parameters": {"top_k": "1"}}, "got a string"),
        (PREDICTIONS, {"inputs": "a", "parameters": {"topk": 1}}, 'no field named "topk"'),
        (PREDICTIONS, {"inputs": "a", "parameters": {"function_to_apply": "x"}}, '"softmax"'),
        (INVOCATIONS, {"inputs": [["a", "b"]]}, "At index 0: This model scores single texts"),
        (INVOCATIONS, {"inputs": [["a", "b", "c"]]}, "At index 0: There are 3 texts in one list"),
        (INVOCATIONS, {"inputs": ["a", ""]}, "At index 1"),
        (INVOCATIONS, {"inputs": "a", "raw_scores": "yes"}, "Expected a boolean"),
        (INVOCATIONS, {}, '"inputs" is missing'),
        (INVOCATIONS, {"inputs": "a", "parameters": {"truncation": "left"}}, "longest_first"),
        (INVOCATIONS, {"inputs": "a", "parameters": {"max_length": 2}}, "at least 3"),
        (PREDICTIONS, {"inputs": "a", "parameters": {"max_length": -1}}, "at least 3"),
        (
            PREDICTIONS,
            {"inputs": "a", "parameters": {"max_length": -1, "truncation": False}},
            "at least 3",
        ),
        (PREDICTIONS, {"inputs": "a", "parameters": {"add_special_tokens": False}}, "no field"),
        (PREDICTIONS, {"inputs": "a", "options": 1}, '"options": Expected an object'),
        (
            KSERVE,
            {
                "inputs": [tensor()],
                "outputs": [{"name": "label", "parameters": {"classification": 3}}],
            },
            '"classification" of an output is not supported',
        ),
        (INVOCATIONS, {"parameters": {}}, '"inputs" is missing'),
        (KSERVE, {}, '{"instances": ["..."]}'),
        (KSERVE, {"inputs": "a"}, '"inputs": Expected a list'),
        (KSERVE, {"inputs": []}, "length >= 1"),
        (KSERVE, {"inputs": [tensor(), tensor()]}, "length <= 1"),
        (KSERVE, {"inputs": [tensor(datatype="FP32")]}, '"inputs[0].datatype"'),
        (KSERVE, {"inputs": [tensor(shape=[3])]}, "make them agree"),
        (KSERVE, {"inputs": [tensor(shape=[2**31] * 99)]}, '"inputs[0].shape'),
        (KSERVE, {"inputs": [tensor(data=["a", 3])]}, "At index 1"),
        (KSERVE, {"inputs": [tensor()], "outputs": [{"name": "logits"}]}, '"label" or "score"'),
        (KSERVE, {"inputs": [tensor()], "outputs": [{"name": "score"}] * 3}, "length <= 2"),
        (KSERVE, {"instances": ["a", {"text": "b", "data": "c"}]}, "At index 1"),
        (KSERVE, {"instances": ["a", {"x": "b"}]}, "At index 1"),
        (KSERVE, {"instances": ["a", {"text": 5}]}, "At index 1"),
        (KSERVE, {"instances": [{}]}, '"text" and "data"'),
        (KSERVE, {"instances": [3]}, "At index 0"),
        (KSERVE, {"instances": []}, "at least one"),
    ],
)
def test_an_error_says_what_to_change(route: Route, value: object, says: str) -> None:
    with pytest.raises(Validation) as caught:
        decode(Json(value), route)
    assert says in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.status == 422


@pytest.mark.parametrize(
    "fields", [{}, {"txt": "good"}, {"text": "good", "data": "good"}, {"text": "a", "b": "c"}]
)
def test_a_form_has_exactly_one_text(fields: dict[str, str]) -> None:
    with pytest.raises(Validation, match='"text" or "data"'):
        decode(Form(fields))


@pytest.mark.parametrize("body", [Text('{"inputs": "a"}'), Form({"text": "a"})])
@pytest.mark.parametrize("route", [KSERVE, INVOCATIONS])
def test_other_routes_accept_json_alone(route: Route, body: Body) -> None:
    with pytest.raises(Unsupported, match="application/json"):
        decode(body, route)


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a", "A" * 200_000 + " - at `$": 1},
        {"inputs": "a", "parameters": {"function_to_apply": "x - at `$" + "B" * 200_000}},
        {"inputs": "a", "parameters": {"A" * 200_000: 1}},
    ],
)
def test_an_error_is_short_whatever_it_quotes(value: object) -> None:
    with pytest.raises(Validation) as caught:
        decode(Json(value))
    assert len(caught.value.message) < 450


def test_the_first_bad_text_fails_the_request() -> None:
    with pytest.raises(Malformed, match="At index 0"):
        decode(Json({"inputs": ["\ud800", 5]}))
    with pytest.raises(TooLarge):
        decode(Json({"inputs": [5] * 4}))


def test_an_output_requested_twice_is_returned_once() -> None:
    value = {"inputs": [tensor()], "outputs": [{"name": "score"}] * 2}
    assert len(predict(Json(value), KSERVE)["outputs"]) == 1


def test_a_lone_surrogate_is_malformed() -> None:
    with pytest.raises(Malformed, match="character 2"):
        decode(Json({"text": "a\ud800b"}))
    with pytest.raises(Malformed, match="At index 1"):
        decode(Json({"inputs": ["a", "\ud800"]}))
    with pytest.raises(Malformed, match="name"):
        decode(Json({"\ud800": "a"}))


def test_a_text_of_too_many_characters_is_too_large() -> None:
    with pytest.raises(TooLarge, match="21 characters; the most is 20"):
        decode(Text("x" * 21))
    assert decode(Text("x" * 20)).texts == ["x" * 20]


@pytest.mark.parametrize(
    ("route", "value"),
    [
        (PREDICTIONS, {"texts": ["a"] * 4}),
        (PREDICTIONS, {"inputs": ["a"] * 4}),
        (INVOCATIONS, {"inputs": ["a"] * 4}),
        (KSERVE, {"instances": ["a"] * 4}),
        (KSERVE, {"inputs": [tensor(shape=[4], data=["a"] * 4)]}),
    ],
)
def test_the_number_of_texts_is_bounded(route: Route, value: object) -> None:
    with pytest.raises(TooLarge, match="4 texts; the most in one request is 3") as caught:
        decode(Json(value), route)
    assert caught.value.error_type == "TooLarge"


def test_many_texts_each_have_their_own_error() -> None:
    entries = predict(Json({"texts": ["good", "", 3]}))["results"]
    assert entries[0] == NATIVE
    assert entries[1] == {
        "error": "The text is blank: send some words.",
        "error_type": "Validation",
    }
    assert entries[2]["error_type"] == "Validation"


@pytest.mark.parametrize(
    ("route", "value", "says"),
    [
        (PREDICTIONS, {"text": "a"}, "too late"),
        (PREDICTIONS, {"inputs": "a"}, "too late"),
        (PREDICTIONS, {"inputs": ["a"]}, "At index 0: too late"),
        (INVOCATIONS, {"inputs": "a"}, "too late"),
        (INVOCATIONS, {"inputs": ["a"], "parameters": {}}, "At index 0: too late"),
        (KSERVE, {"instances": ["a"]}, "At index 0: too late"),
        (KSERVE, {"inputs": [tensor()]}, "At index 0: too late"),
    ],
)
def test_an_unscored_text_fails_the_request_in_dialects_without_errors_per_text(
    route: Route, value: object, says: str
) -> None:
    with pytest.raises(Overloaded) as caught:
        predict(Json(value), route, Overloaded("too late"))
    assert caught.value.message == says


def test_the_native_answer_has_exactly_the_documented_bytes() -> None:
    body = Json({"text": "a"})
    dialect = dialect_of(PREDICTIONS, body)
    response = ok(dialect.encode(decode(body), [GOOD], SERVICE))
    assert (response.status, response.reason, response.content_type) == (
        200,
        "OK",
        "application/json",
    )
    assert response.body == (
        b'{"sentiment": "POSITIVE", "score": 0.75, '
        b'"scores": {"NEGATIVE": 0.25, "POSITIVE": 0.75}, "tokens": 3, "windows": 1, '
        b'"truncated": false}'
    )


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)
KEYS = st.sampled_from(["text", "texts", "inputs", "instances", "parameters", "raw_scores", "id"])


@given(
    st.sampled_from(Route),
    JSON_VALUES | st.dictionaries(KEYS, JSON_VALUES),
    st.dictionaries(st.text(), st.text(), max_size=1),
    st.binary(),
)
def test_any_json_decodes_or_is_refused_in_ascii(
    route: Route, value: object, query: dict[str, str], binary: bytes
) -> None:
    try:
        assert decode(Json(value, query, binary), route).texts
    except RequestError as error:
        assert error_response(error).body.isascii()
        assert error_response(error).reason.isascii()


@given(st.dictionaries(st.text(st.characters()), st.text(), min_size=1))
def test_a_field_of_any_name_is_refused_in_ascii(fields: dict[str, str]) -> None:
    try:
        decode(Form(fields))
    except RequestError as error:
        assert error_response(error).body.isascii()


@pytest.mark.parametrize("dialect", dict.fromkeys(d for row in DIALECTS.values() for d in row))
def test_the_example_of_a_dialect_is_in_that_dialect(dialect: Any) -> None:
    body = Json(dialect.OPERATION.example)
    wide = ServedModel(
        "sentiment",
        "1.0",
        (*SERVICE.labels, "entailment"),
        msgspec.structs.replace(SERVICE.settings, max_chars_per_text=100),
        takes_pairs=True,
    )
    routes = [route for route, row in DIALECTS.items() if dialect in row and route is not GRPC]
    assert any(dialect_of(route, body) is dialect for route in routes)
    assert dialect.decode(body, wide).texts
