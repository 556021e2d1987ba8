"""Groups of rows through an engine: the results per group, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

from sentiment_client._chunks import TEXTS_PER_REQUEST
from sentiment_client.datasets.rows import Rows
from sentiment_client.errors import BackendFailed
from sentiment_client.models import Result

# `predict_stream` of a client, for texts and errors: reads them when a request can start.
Predict = Callable[[Iterable[Any]], Generator[Result, None, None]]
# Takes the rows that are left and the number of rows before them; yields groups with their results.
Scorer = Callable[[Iterable[Rows], int], Iterator[tuple[Rows, list[Result]]]]


def scorer(predict: Predict) -> Scorer:
    """A scorer by `predict`."""
    return lambda groups, done: with_results(groups, predict)


def with_results(groups: Iterable[Rows], predict: Predict) -> Iterator[tuple[Rows, list[Result]]]:
    """Yield each group with its results; if `predict` raises, first those before the failure."""
    waiting: deque[Rows] = deque()

    def texts() -> Iterator[object]:
        for rows in groups:
            waiting.append(rows)
            yield from rows.texts

    results: list[Result] = []
    with closing(results_of(texts(), predict)) as stream:
        try:
            for result in stream:
                results.append(result)
                if len(results) == len(waiting[0]):
                    yield waiting.popleft(), results
                    results = []
        except Exception:
            if results:
                yield waiting[0].part(0, len(results)), results
            raise


def results_of(texts: Iterable[object], predict: Predict) -> Generator[Result, None, None]:
    """`predict`, where a text that fails its whole request fails alone.

    Raises the failure if it is not the texts': if every text of the request fails alone, too.
    """
    texts = iter(texts)
    unanswered: deque[object] = deque()

    def remaining() -> Iterator[object]:
        yield from list(unanswered)
        for text in texts:
            unanswered.append(text)
            yield text

    while True:
        try:
            with closing(predict(remaining())) as results:
                for result in results:
                    unanswered.popleft()
                    yield result
            return
        except BackendFailed:
            request = list(islice(unanswered, TEXTS_PER_REQUEST))
            alone = [_alone(text, predict) for text in request]
            if len(alone) > 1 and all(isinstance(result, BackendFailed) for result in alone):
                raise
        for result in alone:
            unanswered.popleft()
            yield result


def _alone(text: object, predict: Predict) -> Result:
    try:
        (result,) = predict([text])
    except BackendFailed as error:
        return error
    return result
