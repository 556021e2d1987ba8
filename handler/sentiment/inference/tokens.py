"""What is scored for one text: its windows and, on request, its sentences and its variants."""

from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

# Token ids, int32 [tokens]. In a pair, those of the second text have SECOND added, if the model
# tells the two texts apart by token types.
Ids = NDArray[np.int32]
# No vocabulary has as many tokens.
SECOND: Final = 1 << 24


class Pair(Struct, frozen=True):
    """Two texts that are scored as one input, such as a premise and a hypothesis."""

    text: str
    text_pair: str


# What gets one prediction.
Text = str | Pair


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
