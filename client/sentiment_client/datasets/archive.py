"""Model archives, which hold a model and the code that runs it."""

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_MANIFEST = "MAR-INF/MANIFEST.json"


@contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """The folder of an archive, until the context ends; an unpacked archive is used in place.

    Raises ValueError if it is not an archive.
    """
    wrong = ValueError(f"{archive} is not a model archive: build one with make archive.")
    if archive.is_dir():
        if not (archive / _MANIFEST).exists():
            raise wrong
        yield archive
        return
    folder = Path(tempfile.mkdtemp(prefix="sentiment-"))
    try:
        try:
            with zipfile.ZipFile(archive) as file:
                file.getinfo(_MANIFEST)
                file.extractall(folder)
        except (zipfile.BadZipFile, KeyError):
            raise wrong from None
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def identity(archive: Path) -> dict[str, int]:
    """What changes when the archive changes: its size in bytes and its time in nanoseconds."""
    status = archive.stat()
    return {"size": status.st_size, "modified": status.st_mtime_ns}
