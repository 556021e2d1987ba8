"""Google's Natural Language API, for `google-cloud-language` over REST.

{"document": {"type": "PLAIN_TEXT", "content": "Awful. Great!"}, "encodingType": "UTF32"}
-> {"documentSentiment": {"score": 0.1, "magnitude": 1.8}, "sentences": [
       {"text": {"content": "Awful.", "beginOffset": 0}, "sentiment": {...}}, ...], ...}

Enumerations are names or, as in Google's own clients, numbers. A score is that of POSITIVE minus
that of NEGATIVE, and a magnitude the sum over sentences of its absolute value.
"""

from typing import Literal

from msgspec import Struct

from sentiment.errors import Backend, DeadlineExceeded, Overloaded, RequestError, all_good
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.offsets import Unit, located
from sentiment.protocol.dialects.operation import (
    BASE,
    LanguageField,
    Operation,
    TextField,
    name_of,
)
from sentiment.protocol.dialects.polarity import Polarity, check_language, polarity_options
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_text
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = '{"document": {"type": "PLAIN_TEXT", "content": "..."}}'
_STATUSES: dict[type[RequestError], str] = {
    RequestError: "INVALID_ARGUMENT",
    Overloaded: "UNAVAILABLE",
    DeadlineExceeded: "DEADLINE_EXCEEDED",
    Backend: "INTERNAL",
}
Encoding = Literal["NONE", "UTF8", "UTF16", "UTF32", 0, 1, 2, 3]
_UNITS: dict[Encoding, Unit] = {
    **dict.fromkeys(("UTF8", 1), "utf-8"),
    **dict.fromkeys(("UTF16", 2), "utf-16-le"),
    **dict.fromkeys(("UTF32", 3), "utf-32-le"),
}


class GoogleDocument(Struct, forbid_unknown_fields=True, rename="camel"):
    """A plain text; its language is `language` in v1, `language_code` in v2."""

    content: TextField
    type: Literal["PLAIN_TEXT", 1] = "PLAIN_TEXT"
    language: LanguageField | None = None
    language_code: LanguageField | None = None


class AnalyzeSentimentBody(Struct, forbid_unknown_fields=True, rename="camel"):
    """One text; `encoding_type` is the unit of offsets, which are -1 without one."""

    document: GoogleDocument
    encoding_type: Encoding = "NONE"


class GoogleSentiment(Struct):
    """`score` is from -1 to 1; `magnitude` is at least 0."""

    score: float
    magnitude: float


class GoogleText(Struct, rename="camel"):
    """A sentence, and where it begins."""

    content: str
    begin_offset: int


class GoogleSentence(Struct):
    """A sentence and its sentiment."""

    text: GoogleText
    sentiment: GoogleSentiment


class AnalyzeSentimentAnswer(Struct, rename="camel"):
    """The answer of v1 and of v2, which differ in the name of the language."""

    document_sentiment: GoogleSentiment
    sentences: list[GoogleSentence]
    language: str
    language_code: str
    language_supported: bool = True


class GoogleErrorDetails(Struct):
    """`code` is the HTTP status."""

    code: int
    message: str
    status: str


class GoogleError(Struct):
    """What `google.api_core` raises as an exception of this status."""

    error: GoogleErrorDetails


def _fail(error: RequestError) -> GoogleError:
    status = name_of(error, _STATUSES)
    return GoogleError(GoogleErrorDetails(error.hosted_status, error.message, status))


OPERATION = Operation(
    name="google_language",
    path=f"{BASE}/v2/documents:analyzeSentiment",
    summary="Google Natural Language",
    bodies=(AnalyzeSentimentBody,),
    answers=(AnalyzeSentimentAnswer,),
    example={"document": {"type": "PLAIN_TEXT", "content": "I like you."}},
    aliases=(
        f"{BASE}/v1/documents:analyzeSentiment",
        f"{BASE}/v1beta2/documents:analyzeSentiment",
    ),
    fail=_fail,
)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the text; raises RequestError."""
    payload = validate(json_fields(body), AnalyzeSentimentBody, _EXAMPLE)
    check_language(payload.document.language_code or payload.document.language, model)
    text = check_text(payload.document.content, model.settings)
    return Request([text], polarity_options(model), payload)


def encode(request: Request, results: Results, model: ServedModel) -> AnalyzeSentimentAnswer:
    """The answer; raises the text's error."""
    (prediction,) = all_good(results, indexed=False)
    payload = request.payload
    unit = _UNITS.get(payload.encoding_type)
    sentences = [
        GoogleSentence(GoogleText(content, offset if unit else -1), _sentiment(sentence.prediction))
        for sentence, content, offset, _ in located(
            payload.document.content, prediction.sentences or (), unit or "utf-32-le"
        )
    ]
    whole = _sentiment(prediction)
    whole.magnitude = rounded(sum(sentence.sentiment.magnitude for sentence in sentences))
    document, languages = payload.document, model.settings.languages
    language = document.language_code or document.language or "".join(languages[:1])
    return AnalyzeSentimentAnswer(whole, sentences, language, language)


def _sentiment(prediction: Prediction) -> GoogleSentiment:
    scores = Polarity.of(prediction)
    score = rounded(scores.positive - scores.negative)
    return GoogleSentiment(score, abs(score))
