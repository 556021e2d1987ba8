"""Texts -> token ids, cut to what the model takes.

The checkpoint's own `tokenizer.json` is run by the `tokenizers` library, the one inside
`transformers`, which a worker then need not import for this.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

# A tokenised text takes some hundred bytes a token until its ids are taken out, so a call is
# given no more text than this at once. An ordinary batch is far below it.
_CHARS_PER_CALL = 250_000
_UNLIMITED = 1 << 30


@dataclass(frozen=True)
class Tokens:
    """`ids`, int32 [tokens], are at most `max_tokens`, special tokens included."""

    ids: NDArray[np.int32]
    truncated: bool


def longest_input(model_dir: Path, positions: int | None) -> int:
    """The most tokens a checkpoint takes, by its tokenizer's word and its position embeddings.

    Neither needs to say anything, as with relative positions; then there is no limit.
    """
    limits = (_settings(model_dir).get("model_max_length"), positions)
    return int(min([limit for limit in limits if limit and limit > 0], default=_UNLIMITED))


class Tokenizer:
    """Truncates every text to `max_tokens`; `special_tokens` of them are added to each."""

    def __init__(self, model_dir: Path, max_tokens: int) -> None:
        """Raises ValueError where they leave no room for a text."""
        self._tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._tokenizer.no_padding()
        self.special_tokens = self._tokenizer.num_special_tokens_to_add(False)
        if max_tokens <= self.special_tokens:
            raise ValueError(
                f"model-config.yaml: handler.max_tokens must be more than {self.special_tokens}, "
                "the tokens that this model adds to every text."
            )
        self._max_tokens = max_tokens
        self._side = _settings(model_dir).get("truncation_side", "right")

    def __call__(
        self, texts: Sequence[str], limits: Sequence[int | None] | None = None
    ) -> list[Tokens]:
        """Tokenize in one call per limit, as far as memory allows. No text may hold a surrogate.

        `limits` truncates a text to fewer tokens than `max_tokens`; None does not.
        """
        most = self._max_tokens
        lengths = [min(limit or most, most) for limit in limits or [None] * len(texts)]
        tokens: dict[int, Tokens] = {}
        for length in set(lengths):
            self._tokenizer.enable_truncation(length, direction=self._side)
            indices = [index for index, own in enumerate(lengths) if own == length]
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
            # A panic of the library under it is not an Exception, and would end the worker.
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
