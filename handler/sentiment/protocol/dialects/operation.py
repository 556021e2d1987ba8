"""The description of a dialect, from which the OpenAPI document is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from sentiment.errors import RequestError
from sentiment.served_model import ServedModel

# These only document the checks of `request.check_text` and `check_texts`, whose errors are
# clearer. A limit is the name of a setting, which the document replaces by its value. Unlike `\s`,
# `str.strip` also removes the four separator characters of ASCII.
A_TEXT = {"pattern": r"[^\s\x1c-\x1f]", "minLength": 1, "maxLength": "max_chars_per_text"}
SOME = {"minItems": 1, "maxItems": "max_texts_per_request"}

TextField = Annotated[str, Meta(extra_json_schema=A_TEXT)]
# Any, so that a bad element gets an error of its own.
TextsField = Annotated[
    list[Any], Meta(extra_json_schema=SOME | {"items": {"type": "string"} | A_TEXT})
]
# Marks a schema that the document leaves out for a model that takes no pairs.
PAIRS_ONLY = "x-pairs"
_HALF = {"type": "string"} | A_TEXT
A_PAIR = {
    "type": "object",
    "properties": {"text": _HALF, "text_pair": _HALF},
    "required": ["text", "text_pair"],
    "additionalProperties": False,
    PAIRS_ONLY: True,
}
PairField = Annotated[dict[str, Any], Meta(extra_json_schema=A_PAIR)]
TextsOrPairsField = Annotated[
    list[Any], Meta(extra_json_schema=SOME | {"items": {"anyOf": [_HALF, A_PAIR]}})
]
Label = Annotated[str, Meta(extra_json_schema={"enum": "labels"})]
# The code of a language that the model reads.
LanguageField = Annotated[str, Meta(extra_json_schema={"pattern": "language"})]
# A label, or UNCERTAIN.
DecidedLabel = Annotated[str, Meta(extra_json_schema={"enum": "decided_labels"})]

# The base address of hosted services' clients, which add paths of their own.
BASE = "/predictions/{name}/{version}"


@dataclass(frozen=True)
class Operation:
    """One dialect. Paths may hold {name} and {version}, those of the model.

    `bodies` and the possible `answers` are types that `msgspec` supports. `others` are the types of
    bodies that are not JSON, by content type. `example` is a body, as `json` loads it.
    `aliases` are further paths. `fail` makes the body of an error; None makes an ErrorAnswer.
    `offered` tells whether a model can answer it at all.
    """

    name: str
    path: str
    summary: str
    bodies: tuple[Any, ...]
    answers: tuple[Any, ...]
    example: Mapping[str, object]
    others: Mapping[str, tuple[Any, ...]] | None = None
    aliases: tuple[str, ...] = ()
    media_type: str = "application/json"
    fail: Callable[[RequestError], Any] | None = None
    offered: Callable[[ServedModel], bool] = lambda model: True

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths of the dialect."""
        return (self.path, *self.aliases)


def name_of(error: RequestError, names: Mapping[type[RequestError], str]) -> str:
    """The name of an error, or of the closest of its base classes that has one."""
    return next(names[kind] for kind in type(error).__mro__ if kind in names)
