"""Each hosted service's requests, answers and errors, through a batch without a model."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.batch import Batch, Exchange
from sentiment.errors import Overloaded, RequestError
from sentiment.inference.mixed import LEAST_SCORE, is_mixed, mixed_score
from sentiment.inference.prediction import Prediction, Sentence
from sentiment.protocol.dialects import HOSTED, hosted_dialect
from sentiment.protocol.dialects.offsets import Unit, located
from sentiment.protocol.dialects.operation import BASE
from sentiment.protocol.get_routes import GetRoutes
from sentiment.protocol.route import Route
from sentiment.served_model import ServedModel
from tests.unit.test_dialects import JSON_VALUES, SERVICE

MODEL = dataclasses.replace(
    SERVICE,
    labels=("NEGATIVE", "NEUTRAL", "POSITIVE"),
    settings=msgspec.structs.replace(
        SERVICE.settings, max_chars_per_text=60, max_response_bytes=100_000
    ),
)
ROUTES = GetRoutes(MODEL, {})
AWS = {"content-type": "application/x-amz-json-1.1"}
AZURE, AZURE_31 = "language/:analyze-text", "text/analytics/v3.1/sentiment"
GOOGLE = "v2/documents:analyzeSentiment"
TEXT = "🙂 Superb é. Awful."


def scored(negative: float, neutral: float, positive: float) -> Prediction:
    scores = {"NEGATIVE": negative, "NEUTRAL": neutral, "POSITIVE": positive}
    best = max(scores, key=scores.__getitem__)
    return Prediction(best, scores[best], scores, tokens=5)


GOOD, BAD = scored(0.1, 0.1, 0.8), scored(0.6, 0.2, 0.2)
PLAIN = msgspec.structs.replace(GOOD, sentences=(Sentence(0, 1, GOOD),))
MIXED = msgspec.structs.replace(
    scored(0.3, 0.5, 0.2), sentences=(Sentence(0, 11, GOOD), Sentence(12, 18, BAD))
)


def respond(
    path: str,
    value: object,
    *results: Prediction | RequestError,
    model: ServedModel = MODEL,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """The status and the JSON of the response if the good texts have these `results`."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    of_aws = {} if path else AWS
    exchange = Exchange("id-7", {"body": body}, {"url_path": path} | of_aws | (headers or {}))
    batch = Batch([exchange], model)
    batch.decode(ROUTES)
    remaining = iter(results)
    exchange.results = [
        text if isinstance(text, RequestError) else next(remaining)
        for text in exchange.request.texts
    ]
    batch.encode()
    assert exchange.response is not None
    assert exchange.response.body.isascii()
    return exchange.response.status, json.loads(exchange.response.body)


def comprehend(**fields: object) -> dict[str, object]:
    return {"LanguageCode": "en"} | fields


def azure(*texts: object, **parameters: object) -> dict[str, object]:
    documents = [{"id": str(index), "text": text} for index, text in enumerate(texts)]
    return {
        "kind": "SentimentAnalysis",
        "analysisInput": {"documents": documents},
        "parameters": parameters,
    }


def google(content: object, **fields: object) -> dict[str, object]:
    document = {"type": "PLAIN_TEXT", "content": content}
    return {"document": document} | fields


# --- Answers ------------------------------------------------------------------------------------


def test_comprehend_answers_one_text() -> None:
    scores = {"Positive": 0.8, "Negative": 0.1, "Neutral": 0.1, "Mixed": 0.0}
    expected = {"Sentiment": "POSITIVE", "SentimentScore": scores}
    assert respond("", comprehend(Text="a"), PLAIN) == (200, expected)


def test_comprehend_scores_of_a_mixed_text_add_up_to_one_and_mixed_is_the_best() -> None:
    _, answer = respond("", comprehend(Text="a"), MIXED)
    assert answer["Sentiment"] == "MIXED"
    scores = answer["SentimentScore"]
    assert scores == {"Positive": 0.08, "Negative": 0.12, "Neutral": 0.2, "Mixed": 0.6}


def test_comprehend_answers_each_text_of_a_list() -> None:
    status, answer = respond("", comprehend(TextList=["a", " ", "x" * 61]), PLAIN)
    assert status == 200
    assert [(entry["Index"], entry["Sentiment"]) for entry in answer["ResultList"]] == [
        (0, "POSITIVE")
    ]
    assert [(entry["Index"], entry["ErrorCode"]) for entry in answer["ErrorList"]] == [
        (1, "INVALID_REQUEST"),
        (2, "TEXT_SIZE_LIMIT_EXCEEDED"),
    ]
    assert "blank" in answer["ErrorList"][0]["ErrorMessage"]


@pytest.mark.parametrize("path", ["moderations", "v1/moderations"])
def test_moderations_have_one_category_per_label(path: str) -> None:
    undecided = scored(0.45, 0.3, 0.25)
    status, answer = respond(path, {"input": ["a", "b", "c"]}, GOOD, BAD, undecided)
    assert (status, answer["model"]) == (200, "sentiment")
    assert answer["id"].startswith("modr-")
    good, bad, neither = answer["results"]
    assert good == {
        "flagged": False,
        "categories": {"NEGATIVE": False, "NEUTRAL": False, "POSITIVE": True},
        "category_scores": {"NEGATIVE": 0.1, "NEUTRAL": 0.1, "POSITIVE": 0.8},
    }
    assert (bad["flagged"], bad["categories"]["NEGATIVE"]) == (True, True)
    assert (neither["flagged"], any(neither["categories"].values())) == (False, False)


def test_a_threshold_also_holds_for_moderations() -> None:
    settings = msgspec.structs.replace(MODEL.settings, threshold=0.7)
    model = dataclasses.replace(MODEL, settings=settings)
    _, answer = respond("moderations", {"input": "b"}, BAD, model=model)
    assert not answer["results"][0]["flagged"]


def test_moderations_of_a_model_with_several_labels_per_text_flag_any() -> None:
    labels = ("toxic", "insult", "threat")
    prediction = Prediction("toxic", 0.9, {"toxic": 0.9, "insult": 0.6, "threat": 0.1}, tokens=3)
    model = dataclasses.replace(MODEL, labels=labels)
    _, answer = respond("moderations", {"input": "a"}, prediction, model=model)
    assert answer["results"][0]["categories"] == {"toxic": True, "insult": True, "threat": False}
    assert answer["results"][0]["flagged"]


@pytest.mark.parametrize("unit", ["UnicodeCodePoint", "Utf16CodeUnit"])
def test_azure_answers_documents_and_sentences(unit: str) -> None:
    value = azure(TEXT, " ", stringIndexType=unit, loggingOptOut=True, opinionMining=False)
    status, answer = respond(AZURE, value, MIXED)
    assert (status, answer["kind"]) == (200, "SentimentAnalysisResults")
    (document,) = answer["results"]["documents"]
    assert (document["id"], document["sentiment"], document["warnings"]) == ("0", "mixed", [])
    assert document["confidenceScores"] == {"negative": 0.3, "neutral": 0.5, "positive": 0.2}
    assert [sentence["text"] for sentence in document["sentences"]] == ["🙂 Superb é.", "Awful."]
    assert [sentence["sentiment"] for sentence in document["sentences"]] == ["positive", "negative"]
    codec: Unit = "utf-16-le" if unit == "Utf16CodeUnit" else "utf-32-le"
    width = 2 if unit == "Utf16CodeUnit" else 4
    for sentence in document["sentences"]:
        start, length = sentence["offset"] * width, sentence["length"] * width
        assert TEXT.encode(codec)[start : start + length].decode(codec) == sentence["text"]
    (error,) = answer["results"]["errors"]
    assert (error["id"], error["error"]["innererror"]["code"]) == ("1", "InvalidDocument")


@pytest.mark.parametrize("path", [AZURE_31, "text/analytics/v3.0/sentiment"])
def test_older_versions_of_azure_have_a_flat_body_and_answer(path: str) -> None:
    status, answer = respond(path, {"documents": [{"id": "x", "text": "a"}]}, PLAIN)
    assert status == 200
    assert (answer["documents"][0]["sentiment"], answer["errors"]) == ("positive", [])


@pytest.mark.parametrize(
    ("encoding", "offset"),
    [("UTF8", 16), (1, 16), ("UTF16", 13), (2, 13), ("UTF32", 12), (3, 12), ("NONE", -1), (0, -1)],
)
@pytest.mark.parametrize("path", [GOOGLE, "v1/documents:analyzeSentiment"])
def test_google_answers_the_document_and_its_sentences(
    path: str, encoding: object, offset: int
) -> None:
    status, answer = respond(path, google(TEXT, encodingType=encoding), MIXED)
    assert status == 200
    assert answer["documentSentiment"] == {"score": -0.1, "magnitude": 1.1}
    first, second = answer["sentences"]
    assert first["sentiment"] == {"score": 0.7, "magnitude": 0.7}
    assert second["text"] == {"content": "Awful.", "beginOffset": offset}
    assert (answer["language"], answer["languageCode"]) == ("en", "en")


def test_google_repeats_the_language_of_the_request() -> None:
    value = {"document": {"content": "a", "language": "en-GB", "type": 1}}
    assert respond(GOOGLE, value, PLAIN)[1]["language"] == "en-GB"


@pytest.mark.parametrize("path", ["classify", "v1/classify"])
def test_classify_has_the_probability_of_each_label(path: str) -> None:
    value = {"model": "any", "input": ["a", "b"], "user": "me", "truncate_prompt_tokens": -1}
    status, answer = respond(path, value, GOOD, BAD)
    assert (status, answer["object"], answer["model"]) == (200, "list", "sentiment")
    probs = [0.6, 0.2, 0.2]
    second = {"index": 1, "label": "NEGATIVE", "probs": probs, "num_classes": 3}
    assert answer["data"][1] == second
    assert answer["usage"] == {"prompt_tokens": 10, "total_tokens": 10, "completion_tokens": 0}


def test_classify_answers_infinitys_clients_with_all_labels() -> None:
    value = {"model": "any", "input": ["a"], "raw_scores": False}
    status, answer = respond("classify", value, BAD)
    assert (status, answer["object"]) == (200, "classify")
    assert answer["data"][0][0] == {"label": "NEGATIVE", "score": 0.6}
    assert len(answer["data"][0]) == 3


@pytest.mark.parametrize(
    ("fields", "activation"),
    [
        ({}, None),
        ({"use_activation": True}, None),
        ({"use_activation": None}, None),
        ({"use_activation": False}, "none"),
        ({"activation": False}, "none"),
        ({"raw_scores": False}, None),
        ({"raw_scores": True}, "none"),
    ],
)
def test_classify_can_answer_with_logits(fields: dict[str, object], activation: str | None) -> None:
    body = json.dumps({"input": "a"} | fields).encode()
    exchange = Exchange("id", {"body": body}, {"url_path": "classify"})
    Batch([exchange], MODEL).decode(ROUTES)
    assert exchange.request.options.activation == activation


def test_tei_is_also_below_the_base_address() -> None:
    about = ROUTES.match(Route.PREDICTIONS, {"url_path": "info"}, {})
    assert about is not None
    fields = json.loads(about.body)
    names = {"0": "NEGATIVE", "1": "NEUTRAL", "2": "POSITIVE"}
    assert fields["model_type"]["classifier"]["id2label"] == names
    assert fields["model_type"]["classifier"]["label2id"]["POSITIVE"] == 2
    assert (fields["model_id"], fields["max_client_batch_size"]) == ("sentiment", 3)
    assert respond("predict", {"inputs": ["a"]}, BAD)[1][0][0]["label"] == "NEGATIVE"


def test_a_model_without_neutral_says_zero() -> None:
    """Its labels may be in lower case, and need not be the only ones."""
    labels = ("positive", "negative", "other")
    model = dataclasses.replace(MODEL, labels=labels)
    scores = {"positive": 0.75, "negative": 0.25}
    prediction = Prediction("positive", 0.75, scores, tokens=3, sentences=())
    _, answer = respond("", comprehend(Text="a"), prediction, model=model)
    assert answer["Sentiment"] == "POSITIVE"
    assert answer["SentimentScore"]["Neutral"] == 0
    _, answer = respond(AZURE, azure("a"), prediction, model=model)
    (document,) = answer["results"]["documents"]
    assert document["confidenceScores"] == {"negative": 0.25, "neutral": 0, "positive": 0.75}

    exchange = Exchange("id", {"body": json.dumps(google("a")).encode()}, {"url_path": GOOGLE})
    Batch([exchange], model).decode(ROUTES)
    assert exchange.request.options.labels == ("positive", "negative")


# --- Errors -------------------------------------------------------------------------------------


def aws_code(body: Any) -> str:
    assert set(body) == {"__type", "message"}
    return str(body["__type"])


def openai_code(body: Any) -> str:
    assert set(body) == {"error"}
    return str(body["error"]["type"])


def azure_code(body: Any) -> str:
    assert set(body) == {"error"}
    assert body["error"]["message"] == body["error"]["innererror"]["message"]
    return str(body["error"]["innererror"]["code"])


def google_code(body: Any) -> str:
    assert set(body["error"]) == {"code", "message", "status"}
    return str(body["error"]["status"])


INVALID_OPENAI, INVALID_AZURE = "invalid_request_error", "InvalidParameterValue"
UNSUPPORTED = "UnsupportedLanguageException"


@pytest.mark.parametrize(
    ("path", "value", "code_of", "code"),
    [
        ("", comprehend(Text=" "), aws_code, "InvalidRequestException"),
        ("", comprehend(Text=3), aws_code, "InvalidRequestException"),
        ("", {"Text": "a"}, aws_code, "InvalidRequestException"),
        ("", [], aws_code, "InvalidRequestException"),
        ("", b"{", aws_code, "InvalidRequestException"),
        ("", b"", aws_code, "InvalidRequestException"),
        ("", b"\xff", aws_code, "InvalidRequestException"),
        ("", comprehend(Text="\ud800"), aws_code, "InvalidRequestException"),
        ("", comprehend(Text="x" * 61), aws_code, "TextSizeLimitExceededException"),
        ("", comprehend(TextList=["a"] * 26), aws_code, "BatchSizeLimitExceededException"),
        ("", comprehend(TextList=["a"] * 4), aws_code, "BatchSizeLimitExceededException"),
        ("", comprehend(TextList=[]), aws_code, "InvalidRequestException"),
        ("", comprehend(Text="a", LanguageCode="fr"), aws_code, UNSUPPORTED),
        ("", comprehend(TextList=["a"], LanguageCode="x"), aws_code, UNSUPPORTED),
        ("moderations", {"input": " "}, openai_code, INVALID_OPENAI),
        ("moderations", {"input": ["a"] * 4}, openai_code, INVALID_OPENAI),
        ("moderations", {"input": [{"type": "text"}]}, openai_code, INVALID_OPENAI),
        ("moderations", {"text": "a"}, openai_code, INVALID_OPENAI),
        ("classify", {"input": "a", "truncate_prompt_tokens": 5}, openai_code, INVALID_OPENAI),
        ("classify", b"{", openai_code, INVALID_OPENAI),
        (AZURE, azure("a", "a", "a", "a"), azure_code, "InvalidDocumentBatch"),
        (AZURE, azure(), azure_code, INVALID_AZURE),
        (AZURE, azure("a", opinionMining=True), azure_code, INVALID_AZURE),
        (AZURE, azure("a", stringIndexType="TextElements_v8"), azure_code, INVALID_AZURE),
        (AZURE, azure("a") | {"kind": "EntityLinking"}, azure_code, INVALID_AZURE),
        (AZURE, b"{", azure_code, INVALID_AZURE),
        (AZURE_31, {"documents": [{"id": "1", "text": "a"}] * 2}, azure_code, INVALID_AZURE),
        (GOOGLE, google(""), google_code, "INVALID_ARGUMENT"),
        (GOOGLE, google("x" * 61), google_code, "INVALID_ARGUMENT"),
        (GOOGLE, {"document": {"content": "a", "type": "HTML"}}, google_code, "INVALID_ARGUMENT"),
        (GOOGLE, {"document": {"content": "a", "language": "fr"}}, google_code, "INVALID_ARGUMENT"),
        (GOOGLE, {"document": {"gcsContentUri": "gs://a"}}, google_code, "INVALID_ARGUMENT"),
        (GOOGLE, b"", google_code, "INVALID_ARGUMENT"),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_service(
    path: str, value: object, code_of: Callable[[Any], str], code: str
) -> None:
    status, body = respond(path, value)
    assert (status, code_of(body)) == (400, code)


@pytest.mark.parametrize(
    ("path", "value", "code_of", "codes"),
    [
        ("", comprehend(Text="a"), aws_code, ("ThrottlingException", "InternalServerException")),
        ("moderations", {"input": "a"}, openai_code, ("server_error", "server_error")),
        ("classify", {"input": "a"}, openai_code, ("server_error", "server_error")),
        (GOOGLE, google("a"), google_code, ("UNAVAILABLE", "INTERNAL")),
    ],
)
def test_failures_of_the_service_are_those_of_the_service_too(
    path: str, value: object, code_of: Callable[[Any], str], codes: tuple[str, str]
) -> None:
    late, defect = codes
    status, body = respond(path, value, Overloaded("Too late."))
    assert (status, code_of(body)) == (503, late)
    # A prediction without scores makes the dialect fail.
    status, body = respond(path, value, Prediction("POSITIVE", 1.0, None, tokens=1))  # type: ignore[arg-type]
    assert (status, code_of(body)) == (500, defect)
    assert "id-7" in str(body)


def test_comprehend_accepts_25_texts_whatever_the_limit_of_the_server() -> None:
    settings = msgspec.structs.replace(MODEL.settings, max_texts_per_request=64)
    model = dataclasses.replace(MODEL, settings=settings)
    for number, status in ((25, 200), (26, 400)):
        value = comprehend(TextList=["a"] * number)
        assert respond("", value, *[PLAIN] * number, model=model)[0] == status


def test_azure_refuses_only_the_document_in_another_language() -> None:
    documents = [{"id": "1", "text": "a", "language": "fr"}, {"id": "2", "text": "a"}]
    status, answer = respond(AZURE_31, {"documents": documents}, PLAIN)
    assert (status, [document["id"] for document in answer["documents"]]) == (200, ["2"])
    (error,) = answer["errors"]
    assert (error["id"], error["error"]["innererror"]["code"]) == ("1", "UnsupportedLanguageCode")


def test_failures_of_one_document_are_its_own() -> None:
    _, answer = respond(AZURE, azure("a", "b"), PLAIN, Overloaded("Too late."))
    (error,) = answer["results"]["errors"]
    assert error["error"]["innererror"]["code"] == "ServiceUnavailable"
    _, answer = respond("", comprehend(TextList=["a", "b"]), PLAIN, Overloaded("Too late."))
    assert [entry["ErrorCode"] for entry in answer["ErrorList"]] == ["THROTTLING"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("Comprehend_20171127.DetectSentiment", 200),
        ("Comprehend_20171127.BatchDetectSentiment", 200),
        ("Comprehend_20171127.DetectEntities", 400),
    ],
)
def test_other_operations_of_comprehend_are_refused(target: str, status: int) -> None:
    many = "Batch" in target
    value = comprehend(TextList=["a"]) if many else comprehend(Text="a")
    assert respond("", value, PLAIN, headers={"x-amz-target": target})[0] == status


@pytest.mark.parametrize("code", ["en", "EN", "en-US", "", None])
def test_languages_of_the_model_are_accepted(code: str | None) -> None:
    value = {"document": {"content": "a", "languageCode": code}}
    assert respond(GOOGLE, value, PLAIN)[0] == 200


def test_a_model_can_be_declared_to_read_other_languages() -> None:
    value = comprehend(Text="a", LanguageCode="fr")
    for languages, status in ([], 200), (["en", "fr"], 200), (["de"], 400):
        settings = msgspec.structs.replace(MODEL.settings, languages=languages)
        model = dataclasses.replace(MODEL, settings=settings)
        assert respond("", value, PLAIN, model=model)[0] == status


@pytest.mark.parametrize(("path", "value"), [("", comprehend(Text="a")), (GOOGLE, google("a"))])
def test_a_model_with_other_labels_says_where_to_send_texts(path: str, value: object) -> None:
    model = dataclasses.replace(MODEL, labels=("joy", "anger"))
    status, body = respond(path, value, model=model)
    assert status == 400
    assert "/predictions/sentiment" in json.dumps(body)


@pytest.mark.parametrize("path", ["moderations", AZURE, GOOGLE, "classify"])
def test_a_compressed_body_is_refused(path: str) -> None:
    status, body = respond(path, b"x", headers={"content-encoding": "gzip"})
    assert status == 400
    assert "Content-Encoding" in json.dumps(body)


# --- Which dialect ------------------------------------------------------------------------------


def test_only_the_predictions_route_has_hosted_dialects() -> None:
    assert hosted_dialect({"url_path": ""}) is None
    assert hosted_dialect({"url_path": "unknown"}) is None
    assert hosted_dialect({"explain": "False"} | AWS) is None
    assert hosted_dialect({}) is None
    assert hosted_dialect({"url_path": ""} | AWS) is not None


PATHS = [
    path.removeprefix(BASE).removeprefix("/")
    for dialect in HOSTED
    for path in dialect.OPERATION.paths
    if path.startswith(BASE)
]


@pytest.mark.parametrize("path", PATHS)
def test_every_path_of_a_dialect_leads_to_it(path: str) -> None:
    (expected,) = [d for d in HOSTED if f"{BASE}/{path}".rstrip("/") in d.OPERATION.paths]
    assert hosted_dialect({"url_path": path} | ({} if path else AWS)) is expected
    settings = msgspec.structs.replace(MODEL.settings, max_chars_per_text=100)
    value = expected.OPERATION.example
    model = dataclasses.replace(MODEL, settings=settings)
    assert respond(path, value, PLAIN, PLAIN, model=model)[0] == 200


FIELDS = st.sampled_from(
    ["Text", "TextList", "LanguageCode", "input", "documents", "document", "content", "kind"]
)


@given(st.sampled_from(PATHS), JSON_VALUES | st.dictionaries(FIELDS, JSON_VALUES))
def test_any_json_is_answered_or_refused(path: str, value: object) -> None:
    status, _ = respond(path, json.dumps(value).encode("utf-8"), *[PLAIN] * 9)
    assert status in (200, 400, 413, 415, 422)


# --- Sentences ----------------------------------------------------------------------------------


@given(st.text(max_size=30), st.data())
def test_offsets_cut_the_text_where_its_sentences_are(text: str, data: st.DataObject) -> None:
    text = text.encode("utf-8", "ignore").decode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    sentences = tuple(Sentence(start, end, GOOD) for start, end in pairs)
    units: dict[Unit, int] = {"utf-8": 1, "utf-16-le": 2, "utf-32-le": 4}
    for unit, width in units.items():
        encoded = text.encode(unit)
        for sentence, content, offset, length in located(text, sentences, unit):
            assert content == text[sentence.start : sentence.end]
            cut = encoded[offset * width : (offset + length) * width]
            assert cut.decode(unit) == content


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), max_size=5))
def test_a_mixed_score_is_above_all_others(rows: list[tuple[float, float, float]]) -> None:
    sentences = [Sentence(0, 1, scored(*row)) for row in rows]
    score = mixed_score(sentences)
    assert (score >= LEAST_SCORE) == is_mixed(sentences)
    assert score == 0 or score >= LEAST_SCORE
