"""The handler's own settings: the `handler` section of `model-config.yaml`."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import msgspec
from msgspec import Meta, Struct

from sentiment.validation import explain

EngineName = Literal["auto", "bf16", "int8", "fp32", "torch"]
Positive = Annotated[int, Meta(ge=1)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Limits per request, and how a batch is scored; `model-config.yaml` explains each setting."""

    engine: EngineName
    max_texts_per_request: Positive
    max_chars_per_text: Positive
    max_response_bytes: Positive
    max_tokens: Positive
    max_windows: Positive
    explain_tokens: Positive
    languages: list[str]
    threshold: Annotated[float, Meta(ge=0, le=1)]
    tokens_per_microbatch: Positive | Literal["auto"]
    batch_seconds: Positive
    threads: Positive
    cache_entries: Annotated[int, Meta(ge=0)]
    background_models: list[str]

    @classmethod
    def from_yaml(cls, config: Mapping[str, Any] | None) -> Self:
        """Check the parsed `model-config.yaml`; raises a ValueError that names the wrong key."""
        section = (config or {}).get("handler")
        if not isinstance(section, Mapping):
            raise ValueError("model-config.yaml has no section named 'handler'.")
        try:
            return msgspec.convert(dict(section), cls)
        except msgspec.ValidationError as error:
            raise ValueError(
                f"model-config.yaml, section 'handler': {explain(error, cls)}."
            ) from None
