"""Azure Language, for `azure-ai-textanalytics` and other clients with an endpoint.

{"kind": "SentimentAnalysis", "analysisInput": {"documents": [{"id": "1", "text": "Awful."}]}}
-> {"kind": "SentimentAnalysisResults", "results": {"documents": [{"id": "1", "sentiment":
       "negative", "confidenceScores": {...}, "sentences": [...]}], "errors": [], ...}}

Versions 3.0 and 3.1 send and get only what is in "analysisInput" and "results".
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sentiment.errors import (
    Backend,
    Overloaded,
    RequestError,
    TooManyTexts,
    UnsupportedLanguage,
    Validation,
)
from sentiment.inference.mixed import is_mixed
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.offsets import Unit, located
from sentiment.protocol.dialects.operation import BASE, SOME, Operation, TextField, name_of
from sentiment.protocol.dialects.polarity import Polarity, check_language, polarity_options
from sentiment.protocol.request import Request, check_texts
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = (
    '{"kind": "SentimentAnalysis", "analysisInput": {"documents": [{"id": "1", "text": "..."}]}}'
)
_CODES: dict[type[RequestError], str] = {
    RequestError: "InvalidParameterValue",
    TooManyTexts: "InvalidDocumentBatch",
    UnsupportedLanguage: "UnsupportedLanguageCode",
    Overloaded: "ServiceUnavailable",
    Backend: "InternalServerError",
}
_CODES_OF_DOCUMENTS = _CODES | {RequestError: "InvalidDocument"}


class AzureDocument(Struct, forbid_unknown_fields=True):
    """One text; a document without a language is in one that the model reads."""

    id: Annotated[str, Meta(min_length=1)]
    text: TextField
    language: str | None = None


class AzureInput(Struct, forbid_unknown_fields=True):
    """Texts with different ids."""

    documents: Annotated[list[AzureDocument], Meta(extra_json_schema=SOME)]


class AzureParameters(Struct, forbid_unknown_fields=True, rename="camel"):
    """`string_index_type` is the unit of offsets. The other fields are ignored, if not true."""

    string_index_type: Literal["UnicodeCodePoint", "Utf16CodeUnit"] | None = None
    opinion_mining: bool | None = None
    model_version: str | None = None
    logging_opt_out: bool | None = None


class AnalyzeTextBody(Struct, forbid_unknown_fields=True, rename="camel"):
    """The body of versions from 2022 on."""

    kind: Literal["SentimentAnalysis"]
    analysis_input: AzureInput
    parameters: AzureParameters | None = None


class AzureScores(Struct):
    """Three scores, which add up to 1."""

    negative: float
    neutral: float
    positive: float


class AzureSentence(Struct, rename="camel"):
    """A sentence; `offset` and `length` are in units of `stringIndexType`."""

    sentiment: Literal["negative", "neutral", "positive"]
    confidence_scores: AzureScores
    offset: int
    length: int
    text: str


class AzureSentiment(Struct, rename="camel"):
    """The answer for one document."""

    id: str
    sentiment: Literal["negative", "neutral", "positive", "mixed"]
    confidence_scores: AzureScores
    sentences: list[AzureSentence]
    warnings: list[str] = []


class AzureDetails(Struct):
    """`innererror` has the specific code."""

    code: str
    message: str
    innererror: "AzureDetails | UnsetType" = UNSET


class AzureDocumentError(Struct):
    """Why a document has no answer."""

    id: str
    error: AzureDetails


class AzureResults(Struct, rename="camel"):
    """An answer or an error per document."""

    documents: list[AzureSentiment]
    errors: list[AzureDocumentError]
    model_version: str


class AnalyzeTextAnswer(Struct):
    """The answer of versions from 2022 on."""

    results: AzureResults
    kind: Literal["SentimentAnalysisResults"] = "SentimentAnalysisResults"


class AzureError(Struct):
    """What the client raises as HttpResponseError."""

    error: AzureDetails


def _fail(error: RequestError) -> AzureError:
    code = "InvalidRequest" if error.status < 500 else name_of(error, _CODES)
    inner = AzureDetails(name_of(error, _CODES), error.message)
    return AzureError(AzureDetails(code, error.message, inner))


OPERATION = Operation(
    name="azure_language",
    path=f"{BASE}/language/:analyze-text",
    summary="Azure Language",
    bodies=(AnalyzeTextBody, AzureInput),
    answers=(AnalyzeTextAnswer, AzureResults),
    example={
        "kind": "SentimentAnalysis",
        "analysisInput": {"documents": [{"id": "1", "text": "I like you."}]},
    },
    aliases=(
        f"{BASE}/text/analytics/v3.1/sentiment",
        f"{BASE}/text/analytics/v3.0/sentiment",
    ),
    fail=_fail,
)


def decode(body: Body, model: ServedModel) -> Request:
    """Read the documents; raises RequestError only for the request itself."""
    fields = json_fields(body)
    old = "documents" in fields
    payload = validate(fields, AzureInput if old else AnalyzeTextBody, _EXAMPLE)
    documents = payload.documents if old else payload.analysis_input.documents
    if len({document.id for document in documents}) < len(documents):
        raise Validation("Two documents have the same id: give each one its own.")
    parameters = None if old else payload.parameters
    if parameters and parameters.opinion_mining:
        raise Validation('Opinion mining is not supported: leave out "opinionMining".')
    texts = check_texts([document.text for document in documents], model.settings)
    for index, document in enumerate(documents):
        try:
            check_language(document.language, model)
        except UnsupportedLanguage as error:
            texts[index] = error
    return Request(texts, polarity_options(model), payload)


def encode(
    request: Request, results: Results, model: ServedModel
) -> AnalyzeTextAnswer | AzureResults:
    """An answer or an error per document."""
    old = isinstance(request.payload, AzureInput)
    documents = (request.payload if old else request.payload.analysis_input).documents
    parameters = None if old else request.payload.parameters
    utf16 = parameters is not None and parameters.string_index_type == "Utf16CodeUnit"
    answer = AzureResults([], [], model.version)
    for document, result in zip(documents, results, strict=True):
        if isinstance(result, RequestError):
            inner = AzureDetails(name_of(result, _CODES_OF_DOCUMENTS), result.message)
            details = AzureDetails("InvalidArgument", "This document has no answer.", inner)
            answer.errors.append(AzureDocumentError(document.id, details))
        else:
            unit: Unit = "utf-16-le" if utf16 else "utf-32-le"
            answer.documents.append(_sentiment(document, result, unit))
    return answer if old else AnalyzeTextAnswer(answer)


def _sentiment(document: AzureDocument, prediction: Prediction, unit: Unit) -> AzureSentiment:
    sentences = [
        AzureSentence(*_decided(sentence.prediction), offset, length, content)
        for sentence, content, offset, length in located(
            document.text, prediction.sentences or (), unit
        )
    ]
    label, scores = _decided(prediction)
    if is_mixed(prediction.sentences or ()):
        label = "mixed"
    return AzureSentiment(document.id, label, scores, sentences)


def _decided(prediction: Prediction) -> tuple[Any, AzureScores]:
    """The label and the scores of a text or a sentence."""
    return prediction.label.lower(), AzureScores(*Polarity.of(prediction))
