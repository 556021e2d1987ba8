"""A thin client for text classification served by TorchServe. It needs only `requests`.

AsyncSentimentClient needs the extra "async", and GrpcSentimentClient the extra "grpc". Retries are
logged as warnings by the logger "sentiment_client".
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sentiment_client._version import __version__ as __version__
from sentiment_client.client import SentimentClient
from sentiment_client.errors import (
    BackendFailed,
    BadAddress,
    CertificateFailed,
    Conflict,
    ConnectionFailed,
    DeadlineExceeded,
    Malformed,
    NotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    Redirected,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    Unsupported,
    Validation,
    WorkerDied,
)
from sentiment_client.management import ManagementClient
from sentiment_client.models import Model, Prediction, Ready, Sentence, Word, Worker

if TYPE_CHECKING:
    from sentiment_client.async_client import AsyncSentimentClient as AsyncSentimentClient
    from sentiment_client.grpc_client import GrpcSentimentClient as GrpcSentimentClient

# Without the two clients that need an extra: "import *" would fail without it.
__all__ = [
    "BackendFailed",
    "BadAddress",
    "CertificateFailed",
    "Conflict",
    "ConnectionFailed",
    "DeadlineExceeded",
    "Malformed",
    "ManagementClient",
    "Model",
    "NotAllowed",
    "NotFound",
    "Overloaded",
    "Prediction",
    "RateLimited",
    "Ready",
    "Redirected",
    "Sentence",
    "SentimentClient",
    "SentimentError",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unhealthy",
    "Unsupported",
    "Validation",
    "Word",
    "Worker",
    "WorkerDied",
]

# Loaded on first use: name -> (module, extra).
_WITH_EXTRA = {
    "AsyncSentimentClient": ("async_client", "async"),
    "GrpcSentimentClient": ("grpc_client", "grpc"),
}


def __getattr__(name: str) -> Any:
    """Load a client that needs an extra; raises ImportError with the command that installs it."""
    if name not in _WITH_EXTRA:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, extra = _WITH_EXTRA[name]
    try:
        return getattr(import_module(f"{__name__}.{module}"), name)
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"{name} needs {missing.name}: pip install 'torchserve-sentiment[{extra}]'."
        ) from missing


def __dir__() -> list[str]:
    return sorted([*globals(), *_WITH_EXTRA])
