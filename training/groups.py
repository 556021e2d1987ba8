"""Find texts that are variations of one another, such as a review and an edit of it.

Such texts belong on the same side of the split between training and evaluation, and in training
into the same batch.
"""

import re
import zlib
from collections import defaultdict
from collections.abc import Sequence

# Words in a row that two variations are likely to share.
_SHINGLE = 4
# Smallest hashes that stand for a text's shingles (a bottom-k sketch, Broder 1997).
_SKETCH = 16
# Two texts are variations if they share this part of all their distinct words.
_ALIKE = 0.6
# Shorter texts have too few shingles to compare.
_LEAST_WORDS = 8
# A shingle that more texts share is a phrase of the language.
_MOST_SHARING = 20


def group_variations(texts: Sequence[str]) -> list[int]:
    """Return each text's group: texts that are variations of one another have the same number."""
    words = [re.findall(r"\w+", text.lower()) for text in texts]
    sharing: dict[int, list[int]] = defaultdict(list)
    for index, text in enumerate(words):
        for shingle in _sketch(text):
            sharing[shingle].append(index)
    parents = list(range(len(texts)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    for indices in sharing.values():
        if len(indices) > _MOST_SHARING:
            continue
        first, *others = indices
        for other in others:
            if root(first) != root(other) and _alike(set(words[first]), set(words[other])):
                parents[root(other)] = root(first)
    return [root(index) for index in range(len(texts))]


def _sketch(words: list[str]) -> list[int]:
    if len(words) < _LEAST_WORDS:
        return []
    shingles = {" ".join(words[i : i + _SHINGLE]) for i in range(len(words) - _SHINGLE + 1)}
    return sorted(zlib.crc32(shingle.encode()) for shingle in shingles)[:_SKETCH]


def _alike(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= _ALIKE * len(one | other)
