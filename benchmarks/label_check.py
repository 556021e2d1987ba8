"""Check that a server returns the same labels as the model, before it is measured."""

from collections.abc import Iterator, Sequence
from typing import Any

from scripts.failure import Failure

# Every engine must agree on a label to which the reference gives at least this score.
CONFIDENT = 0.9
# Number of texts that are compared.
TEXTS = 8


def labels_in(answer: Any, labels: Sequence[str]) -> Iterator[str]:
    """Yield, in order, each value in the answer that is one of `labels`, whatever its structure."""
    if isinstance(answer, str):
        if answer in labels:
            yield answer
    elif isinstance(answer, dict | list):
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from labels_in(part, labels)


def choose(texts: Sequence[str], reference: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return text -> label for the first texts on which the reference is confident.

    Raises Failure if there are none.
    """
    confident = {
        text: str(answer["label"])
        for text, answer in zip(texts, reference, strict=True)
        if answer["score"] >= CONFIDENT
    }
    if not confident:
        raise Failure("The model is not confident about any of the first texts: use other texts.")
    return dict(list(confident.items())[:TEXTS])


def check(labels: Sequence[str], expected: Sequence[str]) -> None:
    """Raise Failure if a server's labels differ from the model's."""
    if list(labels) != list(expected):
        raise Failure(f"its labels are {list(labels)}, and the model's are {list(expected)}")
