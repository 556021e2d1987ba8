"""A server is measured only if it gives the labels that the model gives."""

from collections.abc import Iterator, Sequence
from typing import Any

from scripts.failure import Failure

# Texts on which the reference is this sure: no engine may see them otherwise.
SURE = 0.9
ASKED = 8


def labels_in(answer: Any, labels: Sequence[str]) -> Iterator[str]:
    """Every label among the values of an answer, in order: each framework has its own shape."""
    if isinstance(answer, str):
        if answer in labels:
            yield answer
    elif isinstance(answer, dict | list):
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from labels_in(part, labels)


def choose(texts: Sequence[str], reference: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Text -> label, of some on which the reference is sure; raises Failure."""
    sure = {
        text: str(answer["label"])
        for text, answer in zip(texts, reference, strict=True)
        if answer["score"] >= SURE
    }
    if not sure:
        raise Failure("The reference model is sure of none of the first texts: use others.")
    return dict(list(sure.items())[:ASKED])


def check(got: Sequence[str], expected: Sequence[str]) -> None:
    """Raises Failure."""
    if list(got) != list(expected):
        raise Failure(f"labels were {list(got)}, and the model gives {list(expected)}")
