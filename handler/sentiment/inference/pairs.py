"""Pairs of texts -> token ids: each text is tokenized alone, cut, and put into the model's frame.

The `tokenizers` library could do it in one call. But when it truncates a pair, it makes each piece
of one text with each piece of the other, however few are used: gigabytes for two long texts.
"""

from typing import Literal

import numpy as np
import tokenizers

from sentiment.inference.tokens import SECOND, Ids

# Which text is cut, as in `transformers`.
Truncation = Literal["longest_first", "only_first", "only_second"]
# Texts of which any vocabulary knows some tokens.
_FIRST, _SECOND = "A good film. ACGT \u597d", "It is good. GATT \u597d"


class PairFrame:
    """The special tokens before, between and after two texts, with SECOND where it belongs."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, token_types: bool) -> None:
        """Find them in a pair of short texts; `token_types` marks the tokens of the second type.

        Raises ValueError if the tokenizer does not tokenize a pair as it does each text alone.
        """
        tokenizer.no_truncation()
        first, second = (_alone(tokenizer, text) for text in (_FIRST, _SECOND))
        pair = tokenizer.encode(_FIRST, _SECOND)
        ids = np.array(pair.ids, np.int32)
        types = np.array(pair.type_ids, np.int32) if token_types else np.zeros_like(ids)
        sequences = pair.sequence_ids
        if not {0, 1} <= set(sequences):
            raise ValueError("tokenizer.json knows no token of a short English text.")
        start, start_second = sequences.index(0), sequences.index(1)
        end, end_second = start + len(first), start_second + len(second)
        if not (
            np.array_equal(ids[start:end], first)
            and np.array_equal(ids[start_second:end_second], second)
        ):
            raise ValueError("tokenizer.json tokenizes the texts of a pair in another way.")
        self._types = (SECOND * types[start], SECOND * types[start_second])
        marked = ids + SECOND * types
        self._around = (marked[:start], marked[end:start_second], marked[end_second:])

    def join(
        self, first: Ids, second: Ids, length: int, truncation: Truncation, side: str
    ) -> tuple[Ids, bool]:
        """The ids of the pair, at most `length`, and whether a text was cut, at its `side`."""
        most = length - sum(map(len, self._around))
        kept_first, kept_second = lengths(len(first), len(second), most, truncation)
        before, between, after = self._around
        type_first, type_second = self._types
        parts = (
            before,
            _cut(first, kept_first, side) + type_first,
            between,
            _cut(second, kept_second, side) + type_second,
            after,
        )
        ids = np.concatenate(parts, dtype=np.int32)
        return ids, kept_first + kept_second < len(first) + len(second)


def lengths(first: int, second: int, most: int, truncation: Truncation) -> tuple[int, int]:
    """How many tokens of each text are kept, together at most `most`.

    If the text to cut is too short for that, the longer one is cut as well, where `transformers`
    fails. Source: `truncate_encodings` of the `tokenizers` library.
    """
    excess = first + second - most
    if excess <= 0:
        return first, second
    if truncation == "only_first" and first > excess:
        return first - excess, second
    if truncation == "only_second" and second > excess:
        return first, second - excess
    short = min(first, second)
    # The longer text is cut to the rest, or both to halves; the rest of an odd number is its own.
    long = most - short if most - short >= short else most - most // 2
    short = min(short, most - long)
    return (short, long) if first <= second else (long, short)


def _cut(ids: Ids, count: int, side: str) -> Ids:
    return ids[len(ids) - count :] if side == "left" else ids[:count]


def _alone(tokenizer: tokenizers.Tokenizer, text: str) -> Ids:
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)
