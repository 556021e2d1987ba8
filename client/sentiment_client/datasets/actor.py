"""What the processes of Ray run: a task that reads texts, and the engine in actors."""

import pickle
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from sentiment_client.datasets.engine import EngineClient
from sentiment_client.datasets.formats import Format
from sentiment_client.datasets.handler import answers
from sentiment_client.datasets.source import Source, skipped
from sentiment_client.datasets.stream import results_of
from sentiment_client.errors import SentimentError
from sentiment_client.models import Result

# Failures that are told in one sentence; any other is a defect, and Ray shows where it is.
FAILURES = (SentimentError, ValueError, ImportError, OSError)


def texts(
    _: object,
    path: str,
    text_column: str,
    format: Format,  # noqa: A002
    done: int,
) -> Iterator[Any]:
    """The texts of each group of rows after the first `done`."""
    # The command meets a failure, too, but after the results before it.
    with suppress(*FAILURES), Source(path, text_column, format) as source:
        for rows in skipped(source.groups(), done):
            yield _column("texts", [rows.texts])


def remove(archive: str) -> None:
    """Remove what the actors of this node have unpacked."""
    shutil.rmtree(_folder(archive), ignore_errors=True)


class Engine:
    """The engine in an actor, which loads when its first texts arrive.

    `archive` is the name of a folder, the same for all actors of a run. `files` holds a reference
    to what is in it: arrays of bytes, uint8, by path.
    """

    def __init__(self, archive: str, files: Sequence[Any]) -> None:
        self._folder, self._files = _folder(archive), files
        self._client = EngineClient(self._answers)

    def __call__(self, texts: Any) -> Any:
        """The results of each group of texts, in place of them."""
        return _column("results", [self._results(group.as_py()) for group in texts["texts"]])

    def _results(self, texts: bytes) -> list[Result] | Exception:
        try:
            return list(results_of(pickle.loads(texts), self._client.predict_stream))  # noqa: S301
        except FAILURES as failure:
            return failure

    def _answers(self, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
        if not self._folder.exists():
            _write(ray.get(self._files[0]), self._folder)
        return answers(self._folder, bodies)


def _folder(archive: str) -> Path:
    """The folder of an archive on this node, which all of its actors share."""
    return Path(tempfile.gettempdir(), archive)


def _column(name: str, values: Iterable[object]) -> Any:
    return pa.table({name: pa.array(map(pickle.dumps, values), pa.large_binary())})


def _write(files: Mapping[str, Any], folder: Path) -> None:
    """Write the files of an archive; several actors of a node may do so at the same time."""
    partial_folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}-"))
    for name, content in files.items():
        path = partial_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content.tofile(path)
    with suppress(OSError):  # another actor was faster
        partial_folder.rename(folder)
    shutil.rmtree(partial_folder, ignore_errors=True)
