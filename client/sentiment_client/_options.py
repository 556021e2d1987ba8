"""How texts are read: the keyword options of the predict methods, and their fields in a request."""

import json
from collections.abc import Sequence
from typing import TypedDict

from sentiment_client._chunks import TEXTS_PER_REQUEST


class Options(TypedDict, total=False):
    """The options of the predict methods; an option that is not set is not sent.

    `labels` are the labels to choose from. A best score below `threshold`, 0 to 1, makes the label
    "UNCERTAIN". `sentences` fills in `sentences` and `mixed` of the answer, `explain` its `words`.
    """

    labels: Sequence[str] | None
    threshold: float | None
    sentences: bool
    explain: bool


def fields(
    *,
    labels: Sequence[str] | None = None,
    threshold: float | None = None,
    sentences: bool = False,
    explain: bool = False,
) -> bytes:
    """The fields that follow a request's texts. Only the service checks the values.

    Raises TypeError for a value that JSON lacks.
    """
    values = {
        "labels": labels,
        "threshold": threshold,
        "detail": "sentences" if sentences else None,
        "explain": explain or None,
    }
    chosen = {name: value for name, value in values.items() if value is not None}
    return f", {json.dumps(chosen)[1:-1]}".encode("ascii") if chosen else b""


def most_texts(options: Options) -> int:
    """The most texts per request; one with `explain`.

    The texts of a request share the server's limit on the work of explaining: together, their words
    would be weighed in larger groups, which depend on the other texts.
    """
    return 1 if options.get("explain") else TEXTS_PER_REQUEST
