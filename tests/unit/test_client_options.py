"""How texts are read: the options of the predict methods, and what their answers hold more."""

import json
from typing import Any

import pytest

from sentiment_client import Prediction, Sentence, UnexpectedAnswer, Validation, Word
from sentiment_client.cli import main
from tests.clients import Client, labels
from tests.unit.client_cases import ANSWER, LATE, PREDICTION, Case, answer_all, answers, error
from tests.unit.scripted_server import Answer, scripted

# The film is a code point outside the basic plane: its offset is 1, not 2.
TEXT = "\U0001f3ac Superb acting.\nThe plot is dull."
DETAILED = ANSWER | {
    "windows": 3,
    "mixed": True,
    "sentences": [
        {"start": 0, "end": 16, "sentiment": "POSITIVE", "score": 0.98},
        {"start": 17, "end": 34, "sentiment": "UNCERTAIN", "score": 0.55},
    ],
    "words": [
        {"start": 2, "end": 8, "weight": 0.25},
        {"start": 9, "end": 15, "weight": 0.001},
        {"start": 29, "end": 33, "weight": -0.5},
    ],
}
SENTENCES = (Sentence(0, 16, "POSITIVE", 0.98), Sentence(17, 34, "UNCERTAIN", 0.55))
WORDS = (Word(2, 8, 0.25), Word(9, 15, 0.001), Word(29, 33, -0.5))


def detailed(body: bytes) -> Answer:
    """The answer of a server that gives every detail."""
    fields = json.loads(body)
    texts = fields.get("texts")
    return (
        (200, json.dumps(DETAILED).encode()) if texts is None else answers(*[DETAILED] * len(texts))
    )


def call(client: Client, method: str, **options: Any) -> list[Any]:
    """The results of one method for TEXT."""
    if method == "predict":
        return [client.predict(TEXT, **options)]
    return list(getattr(client, method)([TEXT], **options))


METHODS = pytest.mark.parametrize("method", ["predict", "predict_many", "predict_stream"])


@METHODS
@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({}, {}),
        ({"labels": None, "threshold": None, "sentences": False, "explain": False}, {}),
        ({"labels": ["NEGATIVE", "\u00e9"]}, {"labels": ["NEGATIVE", "\u00e9"]}),
        ({"labels": ()}, {"labels": []}),
        ({"threshold": 0}, {"threshold": 0}),
        ({"sentences": True}, {"detail": "sentences"}),
        (
            {"threshold": 0.8, "explain": True, "sentences": True},
            {"threshold": 0.8, "detail": "sentences", "explain": True},
        ),
        # Only the service knows what is right.
        ({"labels": "NEGATIVE", "threshold": "high"}, {"labels": "NEGATIVE", "threshold": "high"}),
    ],
)
def test_options_are_sent_only_if_they_are_set(
    case: Case, method: str, options: dict[str, Any], fields: dict[str, Any]
) -> None:
    with case.connected(answer_all) as (server, client):
        assert call(client, method, **options) == [PREDICTION]
        (body,) = server.bodies
    texts = {"text": TEXT} if method == "predict" else {"texts": [TEXT]}
    assert json.loads(body) == texts | fields


@METHODS
def test_a_mistyped_option_is_refused_at_once(case: Case, method: str) -> None:
    with case.client() as client, pytest.raises(TypeError, match="treshold"):
        getattr(client, method)(TEXT if method == "predict" else [TEXT], treshold=0.5)


@METHODS
def test_the_details_of_an_answer_are_read(case: Case, method: str) -> None:
    with case.connected(detailed) as (_, client):
        (result,) = call(client, method, sentences=True, explain=True)
    assert (result.windows, result.mixed) == (3, True)
    assert (result.sentences, result.words) == (SENTENCES, WORDS)
    assert [TEXT[word.start : word.end] for word in WORDS] == ["Superb", "acting", "dull"]


def test_an_older_servers_answer_has_one_window_and_no_details() -> None:
    assert "windows" not in ANSWER
    result = Prediction.from_json(ANSWER)
    assert (result.windows, result.mixed, result.sentences, result.words) == (1, None, None, None)


@pytest.mark.parametrize("empty", ["sentences", "words"])
def test_no_sentence_or_word_is_not_the_same_as_no_details(empty: str) -> None:
    assert getattr(Prediction.from_json(ANSWER | {empty: []}), empty) == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"sentences": 3},
        {"sentences": [{"start": 0, "end": 1, "score": 0.5}]},
        {"words": [None]},
        {"words": [{"start": 0, "end": 1}]},
    ],
)
def test_details_of_another_shape_are_not_a_prediction(case: Case, wrong: dict[str, Any]) -> None:
    with case.connected((200, json.dumps(ANSWER | wrong).encode())) as (_, client):
        with pytest.raises(UnexpectedAnswer):
            client.predict(TEXT)


def test_each_explained_text_has_its_own_request(case: Case) -> None:
    with case.connected(answer_all) as (server, client):
        assert client.predict_many(["a", "b"], explain=True) == [PREDICTION] * 2
        sent = sorted(json.loads(body)["texts"] for body in server.bodies)
    assert sent == [["a"], ["b"]]


@pytest.mark.usefixtures("pauses")
def test_texts_that_are_sent_again_keep_their_options(case: Case) -> None:
    def step(body: bytes) -> Answer:
        texts = json.loads(body)["texts"]
        if len(texts) > 2:
            return 413, error("TooLarge")
        late = sum(b'"late"' in earlier for earlier in server.bodies) == 2  # whole, then half
        return answers(*(LATE if late and text == "late" else ANSWER for text in texts))

    with case.connected(step) as (server, client):
        results = client.predict_many(["a", "b", "c", "late"], threshold=0.5)
        bodies = [json.loads(body) for body in server.bodies]
    assert labels(results) == ["POSITIVE"] * 4
    assert len(bodies) > 3
    assert all(body["threshold"] == 0.5 for body in bodies)


def test_the_services_refusal_of_an_option_is_raised(case: Case) -> None:
    refusal = (422, error("Validation", 'Choose "labels" from "NEGATIVE", "POSITIVE".'))
    with case.connected(refusal) as (_, client):
        for method in ("predict", "predict_many"):
            with pytest.raises(Validation, match="Choose"):
                call(client, method, labels=["GOOD"])


def test_the_command_sends_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--labels", "NEGATIVE, POSITIVE", "--threshold", "0.8", "--sentences", "--explain"]
    with scripted(answer_all) as server:
        for given in ([], options):
            assert main(["--address", server.address, "predict", TEXT, *given]) == 0
        plain, full = map(json.loads, server.bodies)
    assert plain == {"texts": [TEXT]}
    assert full == plain | {
        "labels": ["NEGATIVE", "POSITIVE"],
        "threshold": 0.8,
        "detail": "sentences",
        "explain": True,
    }
    # A server that knows none of them.
    assert capsys.readouterr().out == f"POSITIVE\t0.7500\t{TEXT}\n" * 2


def test_the_command_prints_details_on_indented_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(detailed) as server:
        assert main(["--address", server.address, "predict", TEXT]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "\tmixed\tsome sentences are clearly positive, others clearly negative",
        "\tPOSITIVE\t0.9800\t\U0001f3ac Superb acting.",
        "\tUNCERTAIN\t0.5500\tThe plot is dull.",
        '\twhy POSITIVE\t"dull" -0.5000, "Superb" +0.2500',
    ]


def test_the_command_says_that_no_word_is_telling(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(answers(ANSWER | {"words": [{"start": 0, "end": 1, "weight": 0.004}]})) as server:
        assert main(["--address", server.address, "predict", "Good."]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["\twhy POSITIVE\tno single word is telling"]


def test_the_commands_json_has_only_the_details_of_the_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for answer in (ANSWER, DETAILED):
        with scripted(answers(answer)) as server:
            assert main(["--address", server.address, "--json", "predict", TEXT]) == 0
    plain, full = map(json.loads, capsys.readouterr().out.splitlines())
    assert plain == {"text": TEXT, "label": "POSITIVE", "windows": 1} | {
        name: value for name, value in ANSWER.items() if name != "sentiment"
    }
    assert full["words"] == DETAILED["words"]
    assert full["sentences"][1] == {"start": 17, "end": 34, "label": "UNCERTAIN", "score": 0.55}
