"""Texts -> token ids, in windows of the model's maximum length.

`tokenizer.json` is run by the `tokenizers` library, as in `transformers`, so that a worker need not
import `transformers` for this. The settings of `tokenizer_config.json` that `transformers` applies
at each call are applied here too. The build compares the token ids of both.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from msgspec.structs import replace

from sentiment.inference.occlusion import occlusions
from sentiment.inference.options import DEFAULT, Options
from sentiment.inference.pairs import PairFrame
from sentiment.inference.sentences import sentence_spans
from sentiment.inference.tokens import Occlusion, Pair, Passage, Text, Tokens

# Most characters per call, since the library keeps about 100 bytes per token alive during a call.
# Ordinary batches are far smaller.
_CHARS_PER_CALL = 250_000
_UNLIMITED = 1 << 30
# The part of a window that it shares with the next one is 1 / _OVERLAP.
_OVERLAP = 8


def longest_input(model_dir: Path, positions: int | None) -> int:
    """The maximum number of tokens: the smaller limit of the tokenizer and the position embeddings.

    Either may have no limit, as with relative positions.
    """
    limits = (_settings(model_dir).get("model_max_length"), positions)
    return int(min([limit for limit in limits if limit and limit > 0], default=_UNLIMITED))


class Tokenizer:
    """Tokenizes with a checkpoint's own tokenizer, in windows of up to `max_tokens`.

    `min_tokens` is one more than the special tokens that it adds to every text, or to every pair if
    the checkpoint takes pairs.
    """

    def __init__(
        self,
        model_dir: Path,
        max_tokens: int,
        max_windows: int = 1,
        *,
        takes_pairs: bool = False,
        token_types: bool = False,
    ) -> None:
        """Load from `model_dir`; raises ValueError if `max_tokens` is below `min_tokens`.

        `token_types` marks the tokens of the second text of a pair. Raises ValueError also if
        `takes_pairs` and the tokenizer does not (see `PairFrame`).
        """
        self._tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
        self._tokenizer.no_padding()
        # With fewer, the library does not truncate at all.
        self.min_tokens = self._tokenizer.num_special_tokens_to_add(takes_pairs) + 1
        if max_tokens < self.min_tokens:
            raise ValueError(
                f"model-config.yaml: handler.max_tokens must be at least {self.min_tokens}, since "
                f"this model adds {self.min_tokens - 1} tokens of its own, and so must "
                "model_max_length of its tokenizer_config.json."
            )
        self._max_tokens, self._max_windows = max_tokens, max_windows
        settings = _settings(model_dir)
        saved = self._tokenizer.truncation or {}
        self._side = settings.get("truncation_side") or saved.get("direction", "right")
        # Whether a special token that a user types is split like any other text.
        self._tokenizer.encode_special_tokens = bool(settings.get("split_special_tokens"))
        self._frame = PairFrame(self._tokenizer, token_types=token_types) if takes_pairs else None

    def __call__(
        self, texts: Sequence[Text], options: Sequence[Options] | None = None
    ) -> list[Tokens]:
        """Tokenize `texts`, in order; no text may hold a surrogate.

        A text whose options have `max_tokens` is truncated to that many, or to the tokenizer's own
        limit if that is less. A pair is always truncated, in the way that its options name. Raises
        RuntimeError if the library panics.
        """
        options = options or [DEFAULT] * len(texts)
        tokens = self._windows(texts, options)
        for index, (text, option) in enumerate(zip(texts, options, strict=True)):
            if isinstance(text, Pair):
                continue
            if option.sentences:
                tokens[index] = replace(tokens[index], sentences=self._sentences(text))
            if option.explain_tokens:
                words = self._words(text, tokens[index], option)
                tokens[index] = replace(tokens[index], words=words)
        return tokens

    def _windows(self, texts: Sequence[Text], options: Sequence[Options]) -> list[Tokens]:
        alike: dict[int | None, dict[int, str]] = {}
        pairs: dict[int, Pair] = {}
        for index, (text, option) in enumerate(zip(texts, options, strict=True)):
            if isinstance(text, Pair):
                pairs[index] = text
            else:
                alike.setdefault(option.max_tokens, {})[index] = text
        tokens = self._pairs(pairs, options)
        for limit, single in alike.items():
            most = self._max_windows if limit is None else 1
            self._truncate(limit, most)
            encodings = self._encode(list(single.values()))
            for index, encoding in zip(single, encodings, strict=True):
                windows = [encoding, *encoding.overflowing]
                tokens[index] = Tokens(
                    tuple(np.array(window.ids, np.int32) for window in windows[:most]),
                    truncated=len(windows) > most,
                )
        return [tokens[index] for index in range(len(texts))]

    def _pairs(self, pairs: Mapping[int, Pair], options: Sequence[Options]) -> dict[int, Tokens]:
        """Tokenize each text once, in however many pairs it is."""
        if not pairs or self._frame is None:
            return {}
        self._tokenizer.no_truncation()
        each = {text: None for pair in pairs.values() for text in (pair.text, pair.text_pair)}
        alone = {
            text: np.array(encoding.ids, np.int32)
            for text, encoding in zip(each, self._encode(list(each), special=False), strict=True)
        }
        tokens = {}
        for index, pair in pairs.items():
            first, second = alone[pair.text], alone[pair.text_pair]
            length = self._length(options[index].max_tokens)
            ids, truncated = self._frame.join(
                first, second, length, options[index].truncation, self._side
            )
            tokens[index] = Tokens((ids,), truncated=truncated)
        return tokens

    def _length(self, limit: int | None) -> int:
        """The most tokens of a window, where the options have this limit."""
        return min(limit or self._max_tokens, self._max_tokens)

    def _truncate(self, limit: int | None, windows: int) -> None:
        """Set the library's truncation; windows overlap so that no phrase is cut in all of them."""
        length = self._length(limit)
        overlap = length // _OVERLAP if windows > 1 else 0
        self._tokenizer.enable_truncation(length, stride=overlap, direction=self._side)

    def _sentences(self, text: str) -> tuple[Passage, ...]:
        spans = sentence_spans(text)
        tokens = self._windows(
            [text[start:end] for start, end in spans],
            [Options(max_tokens=self._max_tokens)] * len(spans),
        )
        return tuple(
            Passage(start, end, sentence.ids)
            for (start, end), sentence in zip(spans, tokens, strict=True)
            if len(sentence.ids)
        )

    def _words(self, text: str, tokens: Tokens, option: Options) -> tuple[Occlusion, ...]:
        """An occlusion per word, or per few words if they would exceed the options' tokens."""
        self._truncate(option.max_tokens, 1 if option.max_tokens else self._max_windows)
        (encoding,) = self._guarded(self._tokenizer.encode_batch, [text])
        windows = [encoding, *encoding.overflowing][: len(tokens.windows)]
        most = option.explain_tokens // max(len(tokens.ids), 1)
        return occlusions(
            [window.offsets for window in windows],
            [window.word_ids for window in windows],
            tokens.windows,
            most,
        )

    def _encode(
        self, texts: Sequence[str], *, special: bool = True
    ) -> Iterator[tokenizers.Encoding]:
        """Encode `texts`; `special` adds special tokens."""
        encode = partial(self._tokenizer.encode_batch_fast, add_special_tokens=special)
        for part in _parts(texts):
            yield from self._guarded(encode, part)

    @staticmethod
    def _guarded(encode: Callable[[Any], Any], texts: Sequence[Any]) -> list[tokenizers.Encoding]:
        try:
            return list(encode(texts))
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
