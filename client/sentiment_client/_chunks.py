"""Groups of texts that are sent in one request each."""

import json
import math
import os
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, cast

from sentiment_client._answers import from_entry
from sentiment_client.errors import Overloaded, SentimentError, UnexpectedAnswer, Validation
from sentiment_client.models import Prediction, Result

# Limits of one request; a single larger text is still sent. The service allows twice as many texts,
# and 256 KiB.
TEXTS_PER_REQUEST = 32
BYTES_PER_REQUEST = 200_000


class Chunk:
    """Items in order: texts as JSON strings, and errors for items that are not texts.

    A chunk with a `failure` has no items. `failure` is the exception that the iterable of texts
    raised; as a chunk, it is raised in its place, after the results before it.
    """

    def __init__(
        self, items: Iterable[bytes | SentimentError] = (), failure: Exception | None = None
    ) -> None:
        self.items = list(items)
        self.failure = failure
        self._size = sum(map(_size, self.items))

    def __len__(self) -> int:
        return len(self.items)

    def has_room(self, item: bytes | SentimentError, most: int) -> bool:
        """Whether this item still fits in a request of at most `most` texts."""
        if not self.items:
            return True
        return len(self) < most and self._size + _size(item) <= BYTES_PER_REQUEST

    def add(self, item: bytes | SentimentError) -> None:
        """Append an item."""
        self.items.append(item)
        self._size += _size(item)

    def body(self, options: bytes) -> bytes:
        """The body of a request for all texts; only for a chunk without errors."""
        texts = b", ".join(item for item in self.items if isinstance(item, bytes))
        return b'{"texts": [%s]%s}' % (texts, options)

    def results(self, answer: Any) -> list[Result]:
        """Read the answer to `body`; raises UnexpectedAnswer."""
        entries = answer.get("results") if isinstance(answer, dict) else None
        if not isinstance(entries, list) or len(entries) != len(self):
            raise UnexpectedAnswer("The answer is not a list of predictions: check the address.")
        return [
            from_entry(entry)
            if isinstance(entry, dict) and "error_type" in entry
            else Prediction.from_json(entry)
            for entry in entries
        ]

    def halves(self) -> tuple[Self, Self]:
        """Two chunks of half the size each."""
        middle = len(self) // 2
        return type(self)(self.items[:middle]), type(self)(self.items[middle:])

    def texts(self) -> Self:
        """A chunk of only the texts."""
        return type(self)(item for item in self.items if isinstance(item, bytes))

    def with_errors(self, results: Iterable[Result]) -> list[Result]:
        """Merge the results of `texts` with the errors of the other items, in order."""
        left = iter(results)
        return [next(left) if isinstance(item, bytes) else item for item in self.items]

    def late(self, results: Sequence[Result]) -> Self:
        """The texts whose results say that the server had no time for them."""
        pairs = zip(self.items, results, strict=True)
        return type(self)(item for item, result in pairs if isinstance(result, Overloaded))


def fill_in(results: Iterable[Result], later: Iterable[Result]) -> list[Result]:
    """Replace the errors of late texts by the results of sending them again."""
    rest = iter(later)
    return [next(rest) if isinstance(result, Overloaded) else result for result in results]


def one(text: object, options: bytes) -> bytes:
    """The body of a request for one text; raises Validation if it is not a str."""
    item = _item(text)
    if isinstance(item, SentimentError):
        raise item
    return b'{"text": %s%s}' % (item, options)


def chunks(texts: Iterable[object], most: int = TEXTS_PER_REQUEST) -> Iterator[Chunk]:
    """Group texts into as few requests as their size allows, with at most `most` texts each."""
    chunk, failure = Chunk(), None
    try:
        for item in map(_item, texts):
            if not chunk.has_room(item, most):
                yield chunk
                chunk = Chunk()
            chunk.add(item)
    except Exception as error:
        failure = error
    yield from _last(chunk, failure)


async def chunks_async(
    texts: AsyncIterable[object], most: int = TEXTS_PER_REQUEST
) -> AsyncGenerator[Chunk, None]:
    """The same for an asynchronous iterable."""
    chunk, failure = Chunk(), None
    try:
        async for text in texts:
            item = _item(text)
            if not chunk.has_room(item, most):
                yield chunk
                chunk = Chunk()
            chunk.add(item)
    except Exception as error:
        failure = error
    for last in _last(chunk, failure):
        yield last


def refuse_single(texts: object) -> None:
    """Raise TypeError for objects whose items are letters, numbers, keys or columns, not texts."""
    if hasattr(type(texts), "columns"):
        raise TypeError("This takes a list of texts: pass one column of the data frame.")
    if isinstance(texts, str | bytes | bytearray | Mapping):
        raise TypeError("This takes a list of texts: for one text, call predict.")


def _last(chunk: Chunk, failure: Exception | None) -> Iterator[Chunk]:
    if chunk:
        yield chunk
    if failure is not None:
        yield Chunk(failure=failure)


def _size(item: bytes | SentimentError) -> int:
    return len(item) if isinstance(item, bytes) else 0


def _item(text: object) -> bytes | SentimentError:
    """The text as a JSON string, or an error if the item is not a text."""
    if issubclass(type(text), SentimentError):
        return cast(SentimentError, text)  # the reason why there is no text
    # Not isinstance(): an object can fake its __class__, but json.dumps would not accept it.
    if not issubclass(type(text), str):
        return Validation(_advice(text), 422)
    try:
        return json.dumps(text, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate can only be escaped in ASCII; the service reports what is wrong with it.
        return json.dumps(text).encode("ascii")


def _advice(value: object) -> str:
    """What to do with a value that is not a text. The value itself is not shown."""
    kind = type(value)
    name = kind.__name__
    if value is None or name in ("NAType", "NaTType"):
        return f"A missing value ({name}) is not a text: leave it out."
    if issubclass(kind, float) and math.isnan(value):  # type: ignore[arg-type]
        return "A missing value (NaN) is not a text: leave it out."
    if issubclass(kind, bytes | bytearray | memoryview):
        return f"A text must be a str, not {name}: decode it, as with .decode()."
    if issubclass(kind, os.PathLike):
        return f"A text must be a str, not {name}: read the file, as with .read_text()."
    return f"A text must be a str, not {name}: convert it, as with str()."
