"""The handler's own settings: the `handler` section of `model-config.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from sentiment.inference.engines.engine import ENGINE_NAMES


@dataclass(frozen=True)
class Settings:
    """Limits on one request, and how a batch is scored. Every number is a positive int."""

    engine: str
    max_texts_per_request: int
    max_chars_per_text: int
    max_response_bytes: int
    max_tokens: int
    tokens_per_microbatch: int | Literal["auto"]
    batch_seconds: int
    threads: int

    @classmethod
    def from_yaml(cls, config: Mapping[str, Any] | None) -> Self:
        """Check the parsed `model-config.yaml`; raises ValueError naming the key to change."""
        section = (config or {}).get("handler")
        if not isinstance(section, Mapping):
            raise ValueError("model-config.yaml has no section named 'handler'.")
        names = {field.name for field in fields(cls)}
        if unknown := sorted(set(section) - names):
            raise ValueError(f"model-config.yaml: handler has no setting named {unknown[0]!r}.")
        if missing := sorted(names - set(section)):
            raise ValueError(f"model-config.yaml: handler needs a setting named {missing[0]!r}.")
        if section["engine"] not in ENGINE_NAMES:
            raise ValueError(
                f"model-config.yaml: handler.engine must be one of {', '.join(ENGINE_NAMES)}."
            )
        for name, value in section.items():
            if name == "engine" or (name, value) == ("tokens_per_microbatch", "auto"):
                continue
            if type(value) is not int or value < 1:
                auto = ' or "auto"' if name == "tokens_per_microbatch" else ""
                raise ValueError(
                    f"model-config.yaml: handler.{name} must be a whole number > 0{auto}, "
                    f"not {value!r}."
                )
        return cls(**section)
