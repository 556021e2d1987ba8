"""Leave out each word of a text in turn, to see how much the score needs it.

Occlusion (Zeiler and Fergus 2014) needs logits and nothing else, so it works with every checkpoint
and engine. A word is what the tokenizer splits a text into before it looks words up.
"""

from collections.abc import Sequence

import numpy as np

from sentiment.inference.tokens import Ids, Occlusion

Offsets = Sequence[tuple[int, int]]


def occlusions(
    offsets: Sequence[Offsets],
    words: Sequence[Sequence[int | None]],
    windows: Sequence[Ids],
    most: int,
) -> tuple[Occlusion, ...]:
    """One occlusion per word, or per few neighbouring words so that there are at most `most`.

    Per window, `offsets` has each token's start and end in the text, and `words` the number of its
    word, None for a special token.
    """
    # A word that two windows share is one word.
    places: dict[tuple[int, int], dict[int, list[int]]] = {}
    for window, (spans, numbers) in enumerate(zip(offsets, words, strict=True)):
        by_word: dict[int, list[int]] = {}
        for token, number in enumerate(numbers):
            if number is not None:
                by_word.setdefault(number, []).append(token)
        for tokens in by_word.values():
            span = (
                min(spans[token][0] for token in tokens),
                max(spans[token][1] for token in tokens),
            )
            places.setdefault(span, {})[window] = tokens
    spans_in_order = sorted(places)
    if not spans_in_order or most < 1:
        return ()
    step = -(-len(spans_in_order) // most)
    result = []
    for first in range(0, len(spans_in_order), step):
        together = spans_in_order[first : first + step]
        left_out: dict[int, list[int]] = {}
        for span in together:
            for window, tokens in places[span].items():
                left_out.setdefault(window, []).extend(tokens)
        variants = tuple(
            (window, np.delete(windows[window], tokens)) for window, tokens in left_out.items()
        )
        result.append(Occlusion(together[0][0], together[-1][1], variants))
    return tuple(result)
