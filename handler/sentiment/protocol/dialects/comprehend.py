"""AWS Comprehend, for `boto3`, the AWS CLI and every other AWS SDK.

Their endpoint is http://.../predictions/{model}, to which they add no path.

{"Text": "A lovely film.", "LanguageCode": "en"}
-> {"Sentiment": "POSITIVE", "SentimentScore": {"Positive": 0.99, "Negative": 0.0, ...}}
{"TextList": ["A lovely film.", " "], "LanguageCode": "en"}
-> {"ResultList": [{"Sentiment": ..., "Index": 0}], "ErrorList": [{"Index": 1, "ErrorCode": ...}]}

Source: DetectSentiment and BatchDetectSentiment in AWS's JSON protocol 1.1.
"""

import re
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from sentiment import errors
from sentiment.inference.mixed import mixed_score
from sentiment.inference.prediction import Prediction, Results
from sentiment.protocol.body import Body, Json, json_fields
from sentiment.protocol.dialects.operation import (
    A_TEXT,
    BASE,
    LanguageField,
    Operation,
    TextField,
    name_of,
)
from sentiment.protocol.dialects.polarity import Polarity, check_language, polarity_options
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_all, check_texts
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = '"Text" or "TextList", with "LanguageCode": "en"'
_MOST_TEXTS = 25
_LIST = {"minItems": 1, "maxItems": _MOST_TEXTS, "items": {"type": "string"} | A_TEXT}
_EXCEPTIONS: dict[type[errors.RequestError], str] = {
    errors.RequestError: "InvalidRequestException",
    errors.TooLarge: "TextSizeLimitExceededException",
    errors.TooManyTexts: "BatchSizeLimitExceededException",
    errors.UnsupportedLanguage: "UnsupportedLanguageException",
    errors.Overloaded: "ThrottlingException",
    errors.Backend: "InternalServerException",
}


class DetectSentimentBody(Struct, forbid_unknown_fields=True, rename="pascal"):
    """One text."""

    text: TextField
    language_code: LanguageField


class BatchDetectSentimentBody(Struct, forbid_unknown_fields=True, rename="pascal"):
    """Up to 25 texts."""

    text_list: Annotated[list[Any], Meta(extra_json_schema=_LIST)]
    language_code: LanguageField


class SentimentScore(Struct, rename="pascal"):
    """Four scores, which add up to 1."""

    positive: float
    negative: float
    neutral: float
    mixed: float


class DetectSentimentAnswer(Struct, rename="pascal"):
    """The best of the four with all scores; `index` is the text's in a list."""

    sentiment: Literal["POSITIVE", "NEGATIVE", "NEUTRAL", "MIXED"]
    sentiment_score: SentimentScore
    index: int | UnsetType = UNSET


class BatchItemError(Struct, rename="pascal"):
    """Why the text at `index` has no answer."""

    index: int
    error_code: str
    error_message: str


class BatchDetectSentimentAnswer(Struct, rename="pascal"):
    """An answer or an error per text."""

    result_list: list[DetectSentimentAnswer]
    error_list: list[BatchItemError]


class ComprehendError(Struct):
    """An exception of AWS's JSON protocol."""

    message: str
    type: str = field(name="__type")


def _fail(error: errors.RequestError) -> ComprehendError:
    return ComprehendError(error.message, name_of(error, _EXCEPTIONS))


OPERATION = Operation(
    name="comprehend",
    path=BASE,
    summary="AWS Comprehend",
    bodies=(DetectSentimentBody, BatchDetectSentimentBody),
    answers=(DetectSentimentAnswer, BatchDetectSentimentAnswer),
    example={"Text": "A gripping, beautifully shot film.", "LanguageCode": "en"},
    media_type="application/x-amz-json-1.1",
    fail=_fail,
)


def decode(body: Body, model: ServedModel) -> Request:
    """Read one text or many; raises RequestError, of a text only if there is no list."""
    operation = body.target.rpartition(".")[2] if isinstance(body, Json) else ""
    if operation not in ("", "DetectSentiment", "BatchDetectSentiment"):
        raise errors.Validation("Only the two operations for sentiment are supported: use those.")
    fields = json_fields(body)
    many = "TextList" in fields
    schema = BatchDetectSentimentBody if many else DetectSentimentBody
    payload = validate(fields, schema, _EXAMPLE)
    check_language(payload.language_code, model)
    if not many:
        texts = check_all(payload.text, model.settings)
    elif len(payload.text_list) > _MOST_TEXTS:
        raise errors.TooManyTexts(f"The list has over {_MOST_TEXTS} texts: send it in parts.")
    else:
        texts = check_texts(payload.text_list, model.settings)
    return Request(texts, polarity_options(model), many)


def encode(
    request: Request, results: Results, model: ServedModel
) -> DetectSentimentAnswer | BatchDetectSentimentAnswer:
    """The answer; raises the text's error if there is no list."""
    if not request.payload:
        (prediction,) = errors.all_good(results, indexed=False)
        return _answer(prediction)
    answer = BatchDetectSentimentAnswer([], [])
    for index, result in enumerate(results):
        if isinstance(result, errors.RequestError):
            code = name_of(result, _EXCEPTIONS).removesuffix("Exception")
            code = re.sub("(?<=.)(?=[A-Z])", "_", code).upper()
            answer.error_list.append(BatchItemError(index, code, result.message))
        else:
            answer.result_list.append(_answer(result, index))
    return answer


def _answer(prediction: Prediction, index: int | UnsetType = UNSET) -> DetectSentimentAnswer:
    """The answer for one text; the score Mixed is at least 0.5 for a mixed text, else 0."""
    mixed = mixed_score(prediction.sentences or ())
    scores = Polarity.of(prediction, share=1 - mixed)
    return DetectSentimentAnswer(
        "MIXED" if mixed else prediction.label.upper(),  # type: ignore[arg-type]
        SentimentScore(scores.positive, scores.negative, scores.neutral, rounded(mixed)),
        index,
    )
