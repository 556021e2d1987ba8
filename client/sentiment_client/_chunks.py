"""The part of a list of texts that one request carries, and what its answer says of each."""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Sequence
from typing import Any, Self

from sentiment_client.errors import Overloaded, UnexpectedAnswer, from_entry
from sentiment_client.models import Prediction, Result

# What one request carries at the most, unless one text is larger; the service takes twice as many
# texts, and 256 KiB.
TEXTS_PER_REQUEST = 32
BYTES_PER_REQUEST = 200_000


class Chunk:
    """Texts, each a JSON string already."""

    def __init__(self, texts: Iterable[bytes] = ()) -> None:
        self.texts = list(texts)
        self._size = sum(map(len, self.texts))

    def __len__(self) -> int:
        return len(self.texts)

    def has_room(self, text: bytes) -> bool:
        """Whether one request can carry this text, too."""
        if not self.texts:
            return True
        return len(self) < TEXTS_PER_REQUEST and self._size + len(text) <= BYTES_PER_REQUEST

    def add(self, text: bytes) -> None:
        """Append a text."""
        self.texts.append(text)
        self._size += len(text)

    @property
    def body(self) -> bytes:
        """The request that asks for all of them."""
        return b'{"texts": [%s]}' % b", ".join(self.texts)

    def results(self, answer: Any) -> list[Result]:
        """Read the answer to `body`; raises UnexpectedAnswer."""
        entries = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(entries, list) or len(entries) != len(self):
            raise UnexpectedAnswer("The answer is not a list of predictions: check the address.")
        return [
            from_entry(str(entry["error_type"]), str(entry["error"]))
            if isinstance(entry, dict) and "error_type" in entry
            else Prediction.from_json(entry)
            for entry in entries
        ]

    def halves(self) -> tuple[Self, Self]:
        """Two chunks in the place of one; of one text, the first has none."""
        middle = len(self) // 2
        return type(self)(self.texts[:middle]), type(self)(self.texts[middle:])

    def late(self, results: Sequence[Result]) -> Self:
        """The texts that the server had no time for, as it says of each by itself."""
        pairs = zip(self.texts, results, strict=True)
        return type(self)(text for text, result in pairs if isinstance(result, Overloaded))


def fill_in(results: Iterable[Result], later: Iterable[Result]) -> list[Result]:
    """The results, with those of the late texts in their places."""
    rest = iter(later)
    return [next(rest) if isinstance(result, Overloaded) else result for result in results]


def one(text: str) -> bytes:
    """The request that asks for one text."""
    return b'{"text": %s}' % _encode(text)


def chunks(texts: Iterable[str]) -> Iterator[Chunk]:
    """Group texts into as few requests as their size allows."""
    chunk = Chunk()
    for text in map(_encode, texts):
        if not chunk.has_room(text):
            yield chunk
            chunk = Chunk()
        chunk.add(text)
    if chunk:
        yield chunk


async def chunks_async(texts: AsyncIterable[str]) -> AsyncGenerator[Chunk, None]:
    """The same for texts that come asynchronously."""
    chunk = Chunk()
    async for text in texts:
        encoded = _encode(text)
        if not chunk.has_room(encoded):
            yield chunk
            chunk = Chunk()
        chunk.add(encoded)
    if chunk:
        yield chunk


def refuse_single(texts: object) -> None:
    """Raise TypeError for a string: it would be taken for a list of letters."""
    if isinstance(texts, str):
        raise TypeError("This takes a list of texts; for one text there is predict.")


def _encode(text: str) -> bytes:
    """The text as a JSON string."""
    try:
        return json.dumps(text, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate can be spelt in ASCII only; the service says what is wrong with it.
        return json.dumps(text).encode("ascii")
