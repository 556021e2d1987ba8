"""What is scored for one text: its windows and, on request, its sentences and its variants."""

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# Token ids, int32 [tokens].
Ids = NDArray[np.int32]


class Tokens(Struct, frozen=True):
    """What is scored for one text: token ids, int32 [tokens], special tokens included.

    Each of `windows` has at most `max_tokens`; those of a long text overlap. `truncated` means that
    the text goes on after the last one. `sentences` and `words` are empty unless requested.
    """

    windows: tuple[Ids, ...]
    truncated: bool = False
    sentences: "tuple[Passage, ...]" = ()
    words: "tuple[Occlusion, ...]" = ()

    @property
    def ids(self) -> Ids:
        """The first window: all of a text that the model takes at once."""
        return self.windows[0]

    @property
    def passages(self) -> list[Ids]:
        """Everything that is scored, in the order of the fields."""
        return [
            *self.windows,
            *(passage.ids for passage in self.sentences),
            *(ids for word in self.words for _, ids in word.variants),
        ]


class Passage(Struct, frozen=True):
    """The characters from `start` to `end` (exclusive) of a text, and their token ids."""

    start: int
    end: int
    ids: Ids


class Occlusion(Struct, frozen=True):
    """The text without its characters from `start` to `end` (exclusive).

    `variants` holds the index of each window with these characters, and its ids without them.
    """

    start: int
    end: int
    variants: tuple[tuple[int, Ids], ...]
