"""Texts -> token ids, truncated to the model's maximum length.

`tokenizer.json` is run by the `tokenizers` library, as in `transformers`, so that a worker need not
import `transformers` for this. The settings of `tokenizer_config.json` that `transformers` applies
at each call are applied here too. The build compares the token ids of both.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

# Most characters per call, since the library keeps about 100 bytes per token alive during a call.
# Ordinary batches are far smaller.
_CHARS_PER_CALL = 250_000
_UNLIMITED = 1 << 30


@dataclass(frozen=True)
class Tokens:
    """`ids`: int32 [tokens], at most `max_tokens`, special tokens included."""

    ids: NDArray[np.int32]
    truncated: bool


def longest_input(model_dir: Path, positions: int | None) -> int:
    """The maximum number of tokens: the smaller limit of the tokenizer and the position embeddings.

    Either may have no limit, as with relative positions.
    """
    limits = (_settings(model_dir).get("model_max_length"), positions)
    return int(min([limit for limit in limits if limit and limit > 0], default=_UNLIMITED))


class Tokenizer:
    """Tokenizes with a checkpoint's own tokenizer; truncates each text to `max_tokens`.

    `min_tokens` is one more than the special tokens that it adds to every text.
    """

    def __init__(self, model_dir: Path, max_tokens: int) -> None:
        """Load from `model_dir`; raises ValueError if `max_tokens` is below `min_tokens`."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._tokenizer.no_padding()
        self.min_tokens = self._tokenizer.num_special_tokens_to_add(False) + 1
        if max_tokens < self.min_tokens:
            raise ValueError(
                f"model-config.yaml: handler.max_tokens must be at least {self.min_tokens}, since "
                f"this model adds {self.min_tokens - 1} tokens to every text, and so must "
                "model_max_length of its tokenizer_config.json."
            )
        self._max_tokens = max_tokens
        settings = _settings(model_dir)
        saved = self._tokenizer.truncation or {}
        self._side = settings.get("truncation_side") or saved.get("direction", "right")
        # Whether a special token that a user types is split like any other text.
        self._tokenizer.encode_special_tokens = bool(settings.get("split_special_tokens"))

    def __call__(
        self, texts: Sequence[str], limits: Sequence[int | None] | None = None
    ) -> list[Tokens]:
        """Tokenize `texts`, in order; no text may hold a surrogate.

        A text with a limit in `limits` is truncated to that many tokens, or to `max_tokens` if that
        is less. Raises RuntimeError if the library panics.
        """
        most = self._max_tokens
        lengths = [min(limit or most, most) for limit in limits or [None] * len(texts)]
        tokens: dict[int, Tokens] = {}
        for length in set(lengths):
            self._tokenizer.enable_truncation(length, direction=self._side)
            indices = [index for index, limit in enumerate(lengths) if limit == length]
            encoded = self._encode([texts[index] for index in indices])
            tokens.update(zip(indices, encoded, strict=True))
        return [tokens[index] for index in range(len(texts))]

    def _encode(self, texts: Sequence[str]) -> list[Tokens]:
        try:
            return [
                Tokens(np.array(encoding.ids, np.int32), bool(encoding.overflowing))
                for part in _parts(texts)
                for encoding in self._tokenizer.encode_batch_fast(part)
            ]
        except BaseException as error:
            # A panic of the Rust library is a BaseException, and would end the worker.
            if isinstance(error, Exception | KeyboardInterrupt | SystemExit):
                raise
            raise RuntimeError("the tokenizer panicked") from error


def _settings(model_dir: Path) -> dict[str, Any]:
    return dict(json.loads((model_dir / "tokenizer_config.json").read_text(encoding="utf-8")))


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    chars = 0
    for text in texts:
        if part and chars + len(text) > _CHARS_PER_CALL:
            yield part
            part, chars = [], 0
        part.append(text)
        chars += len(text)
    if part:
        yield part
