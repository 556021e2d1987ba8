"""The hosted services' own clients against the service, pointed at it by its address alone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from azure.ai.textanalytics import DocumentError
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError, ParamValidationError
from google.api_core.exceptions import BadRequest, ServiceUnavailable
from google.cloud import language_v1, language_v2

from scripts.launcher.server import Server
from sentiment_client import ManagementClient
from tests.integration import hosted
from tests.integration.load import Counters, counted, held_up, together

GOOD, NEUTRAL = "A gripping, beautifully shot film.", "The parcel arrived on Tuesday."
# Sentences whose offsets differ between code points, UTF-16 and UTF-8.
MIXED = "🎬 The acting is superb, très bien. The plot makes no sense."
SENTENCES = ["🎬 The acting is superb, très bien.", "The plot makes no sense."]
LONG = "x" * 50_001

Call = Callable[[], Any]
Native = Callable[[str], Any]


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    return server.properties.inference


def client_of(connect: Callable[[str], AbstractContextManager[Any]]) -> Any:
    """A fixture with a client that `connect` makes for the server's address."""

    @pytest.fixture
    def client(address: str) -> Iterator[Any]:
        with connect(address) as connected:
            yield connected

    return client


comprehend = client_of(hosted.comprehend)
moderations = client_of(hosted.moderations)
azure = client_of(hosted.azure)
google = client_of(hosted.google)


@pytest.fixture
def calls(comprehend: Any, moderations: Any, azure: Any, google: Any) -> dict[str, Call]:
    """One call of each client, without retries."""
    document = {"content": GOOD, "type_": language_v2.Document.Type.PLAIN_TEXT}
    return {
        "aws": lambda: comprehend.detect_sentiment(Text=GOOD, LanguageCode="en"),
        "openai": lambda: moderations.moderations.create(input=GOOD),
        "azure": lambda: azure.analyze_sentiment([GOOD]),
        "google": lambda: google.analyze_sentiment(document=document, retry=None),
    }


@pytest.fixture
def native(url: str) -> Callable[[str], Any]:
    """The native answer to a text, with its sentences."""

    def ask(text: str) -> Any:
        body = {"text": text, "detail": "sentences"}
        return requests.post(url, json=body, timeout=30).json()

    return ask


def error_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    """The code and the message of an AWS exception."""
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# --- AWS ----------------------------------------------------------------------------------------


def test_comprehend_has_the_labels_and_scores(comprehend: Any, native: Native) -> None:
    for text in (GOOD, NEUTRAL):
        answer, expected = comprehend.detect_sentiment(Text=text, LanguageCode="en"), native(text)
        assert answer["Sentiment"] == expected["sentiment"]
        scores = {name.upper(): score for name, score in answer["SentimentScore"].items()}
        assert scores.pop("MIXED") == 0
        assert scores == pytest.approx(expected["scores"], abs=1e-5)
    mixed = comprehend.detect_sentiment(Text=MIXED, LanguageCode="en")
    assert mixed["Sentiment"] == "MIXED"
    lower = min(sentence["score"] for sentence in native(MIXED)["sentences"])
    assert mixed["SentimentScore"]["Mixed"] == pytest.approx(lower, abs=1e-5)
    assert sum(mixed["SentimentScore"].values()) == pytest.approx(1, abs=1e-5)


def test_comprehend_has_a_result_or_an_error_per_text(comprehend: Any) -> None:
    texts = [GOOD, " ", MIXED, LONG]
    answer = comprehend.batch_detect_sentiment(TextList=texts, LanguageCode="en")
    results = {entry["Index"]: entry["Sentiment"] for entry in answer["ResultList"]}
    assert results == {0: "POSITIVE", 2: "MIXED"}
    errors = {entry["Index"]: entry["ErrorCode"] for entry in answer["ErrorList"]}
    assert errors == {1: "INVALID_REQUEST", 3: "TEXT_SIZE_LIMIT_EXCEEDED"}


def test_comprehend_raises_its_own_exceptions(comprehend: Any) -> None:
    raised = comprehend.exceptions
    with pytest.raises(raised.UnsupportedLanguageException, match="send texts in en"):
        comprehend.detect_sentiment(Text="Bonjour", LanguageCode="fr")
    with pytest.raises(raised.InvalidRequestException, match="blank"):
        comprehend.detect_sentiment(Text=" ", LanguageCode="en")
    with pytest.raises(raised.TextSizeLimitExceededException, match="50,001 characters"):
        comprehend.detect_sentiment(Text=LONG, LanguageCode="en")
    with pytest.raises(raised.BatchSizeLimitExceededException, match="over 25"):
        comprehend.batch_detect_sentiment(TextList=["good"] * 26, LanguageCode="en")
    with pytest.raises(raised.InvalidRequestException, match="operations for sentiment"):
        comprehend.detect_entities(Text="Great!", LanguageCode="en")
    with pytest.raises(ParamValidationError):  # the client refuses it itself
        comprehend.detect_sentiment(Text="", LanguageCode="en")


def test_the_aws_command_needs_only_an_environment_variable(address: str, tmp_path: Path) -> None:
    environment = {
        "AWS_ENDPOINT_URL_COMPREHEND": f"{address}/predictions/sentiment",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
    }

    def aws(text: str, language: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("aws")), "comprehend", "detect-sentiment"]
        options = ["--text", text, "--language-code", language, "--output", "json"]
        return subprocess.run(
            [*command, *options], env=environment, capture_output=True, text=True, check=False
        )

    assert json.loads(aws(MIXED, "en").stdout)["Sentiment"] == "MIXED"
    refused = aws("Bonjour", "fr")
    assert refused.returncode
    assert "(UnsupportedLanguageException)" in refused.stderr


# --- OpenAI -------------------------------------------------------------------------------------


def test_openai_has_a_category_per_label(moderations: Any, native: Native) -> None:
    bad = "A terrible, boring mess."
    answer = moderations.moderations.create(
        input=[GOOD, NEUTRAL, bad], model="omni-moderation-latest"
    )
    assert [result.flagged for result in answer.results] == [False, False, True]
    for text, result in zip((GOOD, NEUTRAL, bad), answer.results, strict=True):
        expected = native(text)["scores"]
        assert result.category_scores.model_extra == pytest.approx(expected, abs=1e-5)
        assert result.categories.model_extra == {
            label: score >= 0.5 for label, score in expected.items()
        }


def test_openai_raises_its_own_exceptions(moderations: Any) -> None:
    for texts, says in (
        ("", "blank"),
        (["good", " "], "At index 1"),
        (["good"] * 65, "65 texts"),
        ([], "at least one"),
        (LONG, "50,001 characters"),
    ):
        with pytest.raises(openai.BadRequestError, match=says) as caught:
            moderations.moderations.create(input=texts)
        assert caught.value.type == "invalid_request_error"


def test_openai_needs_only_environment_variables(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", hosted.base_address(address))
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    with openai.OpenAI() as client:
        assert not client.moderations.create(input=GOOD).results[0].flagged


# --- Azure --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2023-04-01", "2022-05-01", "v3.1"])
def test_azure_has_documents_and_sentences(address: str, native: Native, version: str) -> None:
    with hosted.azure(address, api_version=version) as client:
        good, neutral, mixed = client.analyze_sentiment([GOOD, NEUTRAL, MIXED])
    assert [good.sentiment, neutral.sentiment, mixed.sentiment] == ["positive", "neutral", "mixed"]
    expected = native(MIXED)
    for label, score in expected["scores"].items():
        assert mixed.confidence_scores[label.lower()] == pytest.approx(score, abs=1e-5)
    for sentence, known in zip(mixed.sentences, expected["sentences"], strict=True):
        assert (sentence.offset, sentence.offset + sentence.length) == (
            known["start"],
            known["end"],
        )
        assert MIXED[known["start"] : known["end"]] == sentence.text
        assert sentence.sentiment == known["sentiment"].lower()
        score = sentence.confidence_scores[sentence.sentiment]
        assert score == pytest.approx(known["score"], abs=1e-5)
    assert [sentence.text for sentence in mixed.sentences] == SENTENCES


def test_azure_has_its_own_errors(azure: Any) -> None:
    documents = [
        {"id": "a", "text": GOOD, "language": "en"},
        {"id": "b", "text": "Bonjour", "language": "fr"},
        {"id": "c", "text": " ", "language": "en"},
        {"id": "d", "text": LONG, "language": "en"},
    ]
    good, *bad = azure.analyze_sentiment(documents)
    assert (good.id, good.is_error) == ("a", False)
    assert all(isinstance(error, DocumentError) for error in bad)
    assert [(error.id, error.error.code) for error in bad] == [
        ("b", "UnsupportedLanguageCode"),
        ("c", "InvalidDocument"),
        ("d", "InvalidDocument"),
    ]
    with pytest.raises(HttpResponseError, match="65 texts") as caught:
        azure.analyze_sentiment(["good"] * 65)
    assert (caught.value.status_code, caught.value.error.code) == (400, "InvalidDocumentBatch")
    with pytest.raises(HttpResponseError, match="Opinion mining"):
        azure.analyze_sentiment([GOOD], show_opinion_mining=True)
    with pytest.raises(HttpResponseError, match="Utf16CodeUnit"):
        azure.analyze_sentiment([GOOD], string_index_type="TextElement_v8")


# --- Google -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [language_v1, language_v2], ids=["v1", "v2"])
def test_google_has_the_document_and_its_sentences(
    address: str, native: Native, version: Any
) -> None:
    expected = native(MIXED)
    scores = expected["scores"]
    for encoding, codec, width in (
        (version.EncodingType.UTF8, "utf-8", 1),
        (version.EncodingType.UTF16, "utf-16-le", 2),
        (version.EncodingType.UTF32, "utf-32-le", 4),
    ):
        document = {"content": MIXED, "type_": version.Document.Type.PLAIN_TEXT}
        with hosted.google(address, version=version) as client:
            answer = client.analyze_sentiment(document=document, encoding_type=encoding)
        score = answer.document_sentiment.score
        assert score == pytest.approx(scores["POSITIVE"] - scores["NEGATIVE"], abs=1e-5)
        each = [sentence.sentiment.magnitude for sentence in answer.sentences]
        assert answer.document_sentiment.magnitude == pytest.approx(sum(each), abs=1e-5)
        assert [sentence.sentiment.score > 0 for sentence in answer.sentences] == [True, False]
        for sentence in answer.sentences:
            start = sentence.text.begin_offset * width
            assert MIXED.encode(codec)[start:].decode(codec).startswith(sentence.text.content)
    assert [sentence.text.content for sentence in answer.sentences] == SENTENCES
    assert (answer.language if version is language_v1 else answer.language_code) == "en"


def test_google_raises_its_own_exceptions(google: Any) -> None:
    kind = language_v2.Document.Type
    for document, says in (
        ({"content": "Bonjour", "language_code": "fr", "type_": kind.PLAIN_TEXT}, "texts in en"),
        ({"content": "", "type_": kind.PLAIN_TEXT}, "blank"),
        ({"content": " ", "type_": kind.PLAIN_TEXT}, "blank"),
        ({"content": LONG, "type_": kind.PLAIN_TEXT}, "50,001 characters"),
        ({"content": "<p>Good</p>", "type_": kind.HTML}, "PLAIN_TEXT"),
    ):
        with pytest.raises(BadRequest, match=says):
            google.analyze_sentiment(document=document)


# --- All of them --------------------------------------------------------------------------------


def test_all_clients_share_one_batch(calls: dict[str, Call], url: str, counters: Counters) -> None:
    each = list(calls.values())
    together(each)  # connects
    before = counters()
    holding = held_up(url)
    together(each)
    holding.join()
    since = counted(counters, before, 1 + len(each))
    assert since["sentiment_requests_total"] == 1 + len(each)
    assert since["sentiment_batches_total"] <= 3


def test_a_full_queue_is_each_clients_own_exception(
    calls: dict[str, Call], management: ManagementClient
) -> None:
    """TorchServe answers it like a missing worker, with a 503 of its own."""
    management.scale(0)
    try:
        with pytest.raises(ClientError) as aws:
            calls["aws"]()
        assert error_of(aws)[0] == "503"
        with pytest.raises(openai.InternalServerError):
            calls["openai"]()
        with pytest.raises(HttpResponseError) as azure:
            calls["azure"]()
        assert azure.value.status_code == 503
        with pytest.raises(ServiceUnavailable):
            calls["google"]()
    finally:
        management.scale(1)
    for call in calls.values():
        call()


def test_litellm_works_with_its_address(address: str) -> None:
    """With the program that test_silence.py runs without a network."""
    command = [sys.executable, "-m", "tests.integration.hosted", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "comprehend POSITIVE\nopenai False\nlitellm False\nazure positive\n"
        "google True\ngoogle True\n"
    )
