"""A thin client for text classification served by TorchServe; it needs `requests` alone."""

from sentiment_client.client import SentimentClient
from sentiment_client.errors import (
    BackendFailed,
    Conflict,
    ConnectionFailed,
    Malformed,
    NotAllowed,
    NotFound,
    Overloaded,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    Unsupported,
    Validation,
)
from sentiment_client.management import ManagementClient
from sentiment_client.results import Model, Prediction, Worker

__all__ = [
    "BackendFailed",
    "Conflict",
    "ConnectionFailed",
    "Malformed",
    "ManagementClient",
    "Model",
    "NotAllowed",
    "NotFound",
    "Overloaded",
    "Prediction",
    "SentimentClient",
    "SentimentError",
    "TimedOut",
    "TooLarge",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unhealthy",
    "Unsupported",
    "Validation",
    "Worker",
]
