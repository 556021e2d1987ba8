"""A server that cannot start fails at once, with one sentence that says why."""

import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.failure import Failure
from scripts.launcher.server import Server, isolated_server
from tests.conftest import altered
from tests.integration.conftest import processes_in


@pytest.mark.parametrize("setting", ["inference_address", "metrics_address", "grpc_inference_port"])
def test_a_port_that_is_taken_is_named(archive: Path, tmp_path: Path, setting: str) -> None:
    server = isolated_server(archive.parent, tmp_path)
    with socket.socket() as taken:
        taken.bind(server.properties.ports()[setting])
        taken.listen()
        with pytest.raises(Failure, match=f"{taken.getsockname()[1]} .*{setting}"):
            server.start()
    assert server.java() is None


def test_a_missing_archive_is_named(archive: Path, tmp_path: Path) -> None:
    server = isolated_server(tmp_path / "store", tmp_path)
    with pytest.raises(Failure, match="make archive"):
        server.start()


@pytest.mark.parametrize("content", ["<Configuration", None])
def test_without_a_logging_configuration_it_does_not_start(
    archive: Path, tmp_path: Path, content: str | None
) -> None:
    """TorchServe would start, and log parts of texts."""
    server = isolated_server(archive.parent, tmp_path)
    server.log_config = tmp_path / "log4j2.xml"
    if content:
        server.log_config.write_text(content)
    with pytest.raises(Failure, match=r"log4j2.xml cannot be used \((unclosed|No such file)"):
        server.start()
    assert server.java() is None


def test_a_full_disk_is_reported(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(Failure, match="Only 1 MB are free"):
        isolated_server(archive.parent, tmp_path).start()


def test_a_configuration_that_torchserve_refuses_is_shown(
    archive: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(work))
    server = isolated_server(archive.parent, tmp_path, vmargs="-XX:NoSuchOption")
    with pytest.raises(Failure, match="stopped while it was starting") as caught:
        server.start()
    assert "NoSuchOption" in caught.value.log
    assert processes_in(tmp_path) == []
    assert list(work.iterdir()) == []


def test_a_worker_that_dies_at_start_is_reported_with_its_log(
    archive: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    altered(archive, store / "sentiment.mar", "model/config.json", lambda content: b"")
    server = isolated_server(store, tmp_path)
    with pytest.raises(Failure, match=r"The worker died .*: JSONDecodeError: ") as caught:
        server.start()
    assert "Traceback" in caught.value.log
    assert processes_in(tmp_path) == []


# Broken archives: the changed member, its new content, and the error.
BROKEN: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "an import": (
        "sentiment_handler.py",
        lambda content: b"import not_there\n" + content,
        "died .*: ModuleNotFoundError: No module named 'not_there'",
    ),
    "an exit": (
        "sentiment_handler.py",
        lambda content: b"import os; os._exit(3)",
        "died .*'dmesg'",
    ),
    "a setting": (
        "model-config.yaml",
        lambda content: content.replace(b"engine: auto", b"engine: fast"),
        "died .*: ValueError: model-config.yaml.*engine",
    ),
    "YAML": ("model-config.yaml", lambda content: b"a: [", "InvalidModelException: .*yaml"),
    "a name": (
        "MAR-INF/MANIFEST.json",
        lambda content: content.replace(b'"sentiment"', b'"other"'),
        "holds a model named 'other', not 'sentiment': .*make archive",
    ),
    "no manifest": ("MAR-INF/MANIFEST.json", lambda content: b"", "is damaged: .*make archive"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_an_archive_that_cannot_be_served_fails_at_once_with_the_reason(
    archive: Path, tmp_path: Path, kind: str
) -> None:
    member, change, message = BROKEN[kind]
    # All of these fail before the model is loaded, so the model can be left out.
    altered(archive, tmp_path / "store" / "sentiment.mar", member, change, without="model/")
    server = isolated_server(tmp_path / "store", tmp_path)
    with pytest.raises(Failure, match=message):
        start_before_torchserve_gives_up(server)
    assert processes_in(tmp_path) == []


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (0.3, "is damaged: .*make archive"),
        (0, "is damaged"),
        (None, "could not load .*ZipException"),
    ],
    ids=["truncated", "empty", "overwritten"],
)
def test_a_damaged_archive_is_reported(
    archive: Path, tmp_path: Path, part: float | None, message: str
) -> None:
    content = bytearray(archive.read_bytes())
    if part is None:
        content[len(content) // 3 : len(content) // 3 + 100_000] = bytes(100_000)
    else:
        content = content[: int(len(content) * part)]
    store = tmp_path / "store"
    store.mkdir()
    (store / "sentiment.mar").write_bytes(content)
    with pytest.raises(Failure, match=message):
        start_before_torchserve_gives_up(isolated_server(store, tmp_path))
    assert processes_in(tmp_path) == []


def start_before_torchserve_gives_up(server: Server) -> None:
    """Start the server; fail if that waits for a timeout of the launcher or of TorchServe."""
    began = time.monotonic()
    try:
        server.start()
    finally:
        assert time.monotonic() - began < 100


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("load_models", "other.mar", "could not load the archive: ModelNotFoundException"),
        ("models", "{", "models in .* is not a JSON object"),
        ("job_queue_size", "many", "job_queue_size in .* must be a number, not 'many'"),
        ("metrics_config", "/not/there.yaml", "there.yaml cannot be used"),
        ("vmargs", "-Xmx1x", "Invalid maximum heap size: -Xmx1x. Correct vmargs in "),
        ("vmargs", "-Xms900g -Xmx900g", "insufficient memory for the Java Runtime. Free memory, "),
        ("inference_address", "http://[::]:8080", "Invalid configuration: Invalid binding address"),
    ],
)
def test_a_configuration_that_cannot_be_served_fails_at_once_with_the_reason(
    archive: Path, tmp_path: Path, setting: str, value: str, message: str
) -> None:
    with pytest.raises(Failure, match=message):
        start_before_torchserve_gives_up(
            isolated_server(archive.parent, tmp_path, **{setting: value})
        )
    assert processes_in(tmp_path) == []


def test_a_temporary_folder_whose_path_is_too_long_for_a_socket_is_named(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with pytest.raises(Failure, match=r"bytes too long .*set TMPDIR"):
        isolated_server(archive.parent, tmp_path).start()
    assert list(folder.iterdir()) == []
