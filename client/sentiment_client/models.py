"""Typed answers of the inference and the management API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from sentiment_client.errors import SentimentError, UnexpectedAnswer

Span = TypeVar("Span")


@dataclass(frozen=True)
class Sentence:
    """The best label of the characters from `start` to `end` (exclusive) of a text, and its score.

    `text[start:end]` is the sentence.
    """

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True)
class Word:
    """How much less the text's label scores without the characters from `start` to `end`.

    `text[start:end]` is the word, or a few neighbouring words of a long text. A `weight` is between
    -1 and 1; below 0, the word speaks against the label.
    """

    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one text.

    `label` is the best label and `score` its score, 0 to 1; `scores` has the score of every label.
    `tokens` is the number of scored tokens, in `windows` overlapping windows; `truncated` is True
    if the text goes on after the last one. The label is "UNCERTAIN" if its score is too low.

    With `sentences=True`, `sentences` has each sentence, and `mixed` is True if some are clearly
    positive and others clearly negative. With `explain=True`, `words` has each word. Otherwise they
    are None.
    """

    label: str
    score: float
    scores: Mapping[str, float]
    tokens: int
    truncated: bool
    windows: int = 1
    mixed: bool | None = None
    sentences: tuple[Sentence, ...] | None = None
    words: tuple[Word, ...] | None = None

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read the service's native answer; raises UnexpectedAnswer."""
        try:
            return cls(
                label=value["sentiment"],
                score=value["score"],
                scores=value["scores"],
                tokens=value["tokens"],
                truncated=value["truncated"],
                windows=value.get("windows", 1),  # an older server has none
                mixed=value.get("mixed"),
                sentences=_spans(value.get("sentences"), _sentence),
                words=_spans(value.get("words"), _word),
            )
        except (AttributeError, KeyError, TypeError):
            raise UnexpectedAnswer("The answer is not a prediction: check the address.") from None


def _spans(values: Any, read: Callable[[Any], Span]) -> tuple[Span, ...] | None:
    return None if values is None else tuple(map(read, values))


def _sentence(value: Any) -> Sentence:
    return Sentence(value["start"], value["end"], value["sentiment"], value["score"])


def _word(value: Any) -> Word:
    return Word(value["start"], value["end"], value["weight"])


@dataclass(frozen=True)
class Ready:
    """A worker that has loaded this version of the model and scored texts with this engine.

    `worker` is the id of its process on the server's machine.
    """

    model: str
    version: str
    engine: str
    worker: int

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read the service's answer; raises UnexpectedAnswer."""
        try:
            return cls(value["model"], value["version"], value["engine"]["name"], value["worker"])
        except (KeyError, TypeError):
            raise UnexpectedAnswer(
                "The answer does not say that a worker is ready: check the address."
            ) from None


# The result for one of many texts.
Result = Prediction | SentimentError


@dataclass(frozen=True)
class Worker:
    """One worker process. `memory` is its resident size in bytes, 0 while unknown."""

    id: str
    pid: int
    status: str
    memory: int

    @property
    def ready(self) -> bool:
        """Whether it has loaded the model."""
        return self.status == "READY"


@dataclass(frozen=True)
class Model:
    """One version of a registered model, and its workers."""

    name: str
    version: str
    archive: str
    min_workers: int
    max_workers: int
    batch_size: int
    max_batch_delay: int
    workers: tuple[Worker, ...]
    pending_requests: int
    queue_size: int

    @property
    def ready_workers(self) -> int:
        """The number of workers that have loaded the model."""
        return sum(worker.ready for worker in self.workers)

    @classmethod
    def list_from_json(cls, value: Any) -> tuple[Self, ...]:
        """Read TorchServe's description of one or all versions; raises UnexpectedAnswer."""
        try:
            models = tuple(cls._from_json(entry) for entry in value)
        except (AttributeError, KeyError, TypeError):
            models = ()
        if not models:
            raise UnexpectedAnswer("The answer describes no model: check the management address.")
        return models

    @classmethod
    def _from_json(cls, value: Any) -> Self:
        queue = value.get("jobQueueStatus", {})
        return cls(
            name=value["modelName"],
            version=value["modelVersion"],
            archive=value["modelUrl"],
            min_workers=value["minWorkers"],
            max_workers=value["maxWorkers"],
            batch_size=value["batchSize"],
            max_batch_delay=value["maxBatchDelay"],
            workers=tuple(
                Worker(entry["id"], entry["pid"], entry["status"], entry["memoryUsage"])
                for entry in value["workers"]
            ),
            pending_requests=queue.get("pendingRequests", 0),
            queue_size=queue.get("remainingCapacity", 0) + queue.get("pendingRequests", 0),
        )
