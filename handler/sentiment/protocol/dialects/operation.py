"""How a dialect is described: what the OpenAPI document is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

# What `request.check_text` and `check_texts` check, with clearer errors than a type has, is said
# here for readers. A limit is named by its setting; the document has its value.
# `str.strip` takes the four separators of ASCII for blanks, and regular expressions do not.
A_TEXT = {"pattern": r"[^\s\x1c-\x1f]", "minLength": 1, "maxLength": "max_chars_per_text"}
SOME = {"minItems": 1, "maxItems": "max_texts_per_request"}

TextField = Annotated[str, Meta(extra_json_schema=A_TEXT)]
# Read as whatever they are, so that the error of one says which it is.
TextsField = Annotated[
    list[Any], Meta(extra_json_schema=SOME | {"items": {"type": "string"} | A_TEXT})
]
Label = Annotated[str, Meta(extra_json_schema={"enum": "labels"})]


@dataclass(frozen=True)
class Operation:
    """One dialect. `path` may hold {name}, the model's.

    `body` is a type that `msgspec` knows; `answers` are such types, each of which may come;
    `others` are bodies that are not JSON, by content type. `example` is a body, as `json` loads it.
    """

    name: str
    path: str
    summary: str
    body: Any
    answers: tuple[Any, ...]
    example: Mapping[str, object]
    others: Mapping[str, tuple[Any, ...]] | None = None
