"""The labels of a checkpoint, as its `config.json` names them, and how many can be served."""

from collections.abc import Mapping, Sequence
from typing import Any

from scripts.failure import Failure

# Most scores in the answer to one request. A score costs the worker about 100 bytes and one
# microsecond, so these take 0.5 GB and 5 s.
MAX_SCORES = 5_000_000
# Bytes per label in an answer, without its name: quotes, colon, comma and the score's digits.
_BYTES_PER_SCORE = 13


def label_names(config: Mapping[str, Any]) -> list[str] | None:
    """The names in the order of the logits, or None if `config` leaves them to the library.

    Numbers and booleans become the strings that the pipeline prints. Raises Failure for names that
    the pipeline cannot print, or that two logits share.
    """
    names = config.get("id2label")
    if names is None:
        return None
    if not isinstance(names, dict) or not names:
        raise Failure('config.json: id2label must look like {"0": "negative", "1": "positive"}.')
    try:
        by_index = {int(index): name for index, name in names.items()}
    except ValueError:
        raise Failure(
            "config.json: the keys of id2label must be the numbers of the logits, from 0."
        ) from None
    for index in range(len(names)):
        if index not in by_index:
            raise Failure(
                f"config.json: id2label has {len(names)} labels, but none for logit {index}: "
                f"number them from 0 to {len(names) - 1}."
            )
    labels = [_name(index, by_index[index]) for index in range(len(names))]
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise Failure(
            f"config.json: id2label has two labels named {twice!r}: give each its own name."
        )
    return labels


def _name(index: int, name: Any) -> str:
    if not isinstance(name, str | int | float):
        raise Failure(f"config.json: id2label has no name for logit {index}: name it.")
    if not str(name).strip():
        raise Failure(f"config.json: id2label has an empty name for logit {index}: name it.")
    try:
        str(name).encode()
    except UnicodeEncodeError:
        raise Failure(
            f"config.json: id2label names logit {index} with half a character (a lone surrogate): "
            "give it a name that UTF-8 can write."
        ) from None
    return str(name)


def check_size(labels: Sequence[str], max_texts_per_request: int, max_response_bytes: int) -> None:
    """Raise Failure if a worker could not answer with all `labels`.

    `max_texts_per_request` and `max_response_bytes` are those of `model-config.yaml`.
    """
    size = sum(len(label.encode()) + _BYTES_PER_SCORE for label in labels)
    if size > max_response_bytes:
        raise Failure(
            f"{len(labels)} labels are too many: the scores of one text take about {size:,} bytes, "
            f"more than the {max_response_bytes:,} of handler.max_response_bytes in "
            "handler/model-config.yaml; use fewer labels or shorter names."
        )
    if len(labels) * max_texts_per_request > MAX_SCORES:
        fewer = max(MAX_SCORES // len(labels), 1)
        raise Failure(
            f"{len(labels)} labels are too many for requests of {max_texts_per_request} texts: a "
            "worker would run out of memory or time. Set handler.max_texts_per_request in "
            f"handler/model-config.yaml to {fewer}, or use fewer labels."
        )
