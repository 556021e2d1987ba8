"""The errors of OpenAI's API, which vLLM, SGLang and Infinity have adopted."""

from msgspec import Struct

from sentiment.errors import RequestError


class OpenAIErrorDetails(Struct):
    """`code` is the error's name in other formats of this service."""

    message: str
    type: str
    code: str
    param: str | None = None


class OpenAIError(Struct):
    """What `openai` raises as BadRequestError or InternalServerError."""

    error: OpenAIErrorDetails


def fail(error: RequestError) -> OpenAIError:
    """The body of an error."""
    kind = "server_error" if error.status >= 500 else "invalid_request_error"
    return OpenAIError(OpenAIErrorDetails(error.message, kind, error.error_type))
