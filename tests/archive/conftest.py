"""The default archive, unpacked."""

import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder of the default archive; tests change only copies of it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    return folder / "model"
