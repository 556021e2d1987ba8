"""Starting and stopping the server, also twice, and when something prevents it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from scripts.failure import Failure
from scripts.launcher import processes, serve
from scripts.launcher.ports import free_ports
from scripts.launcher.server import Server, isolated_server
from scripts.paths import ROOT
from sentiment_client import NotAllowed, SentimentClient, Unauthorized
from tests.conftest import altered, running


def processes_in(folder: Path) -> list[psutil.Process]:
    """Every process that works in a folder, as TorchServe's Java does in its home."""
    found = []
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()) == folder:
                found.append(process)
        except psutil.Error:
            continue
    return found


def temporary_folder(server: Server) -> Path:
    """The folder of the server's sockets and its extracted archive."""
    return Path(json.loads((server.run / "server.json").read_text())["temp"])


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that has exited may be a zombie for a while."""
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_starting_twice_says_that_it_is_up(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    java = server.java()
    serve.start(server)
    output = capsys.readouterr().out
    assert f"The server is already up at {server.properties.inference}" in output
    assert '{"sentiment": "POSITIVE", ' in output
    assert server.java() == java


def test_the_curl_line_that_is_shown_works(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.start(server)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (command,) = [line for line in lines if line.startswith("curl ")]
    if shutil.which("curl") is None:
        pytest.skip("needs curl: apt-get install curl")
    run = ["sh", "-c", f"{command} --silent"]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert output == lines[lines.index(command) + 1]


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


def test_a_full_disk_is_reported(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(Failure, match="Only 1 MB are free"):
        isolated_server(archive.parent, tmp_path).start()


def test_a_configuration_that_torchserve_refuses_is_shown(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    server = isolated_server(archive.parent, tmp_path, vmargs="-XX:NoSuchOption")
    with pytest.raises(Failure, match="stopped while it was starting") as caught:
        server.start()
    assert "NoSuchOption" in caught.value.log
    assert processes_in(tmp_path) == []
    assert list(tmp_path.glob("sentiment-*")) == []


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


# What is wrong with an archive: a member, its new content, and what is said about it.
BROKEN: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "an import": (
        "sentiment_handler.py",
        lambda content: b"import not_there\n" + content,
        "died .*: ModuleNotFoundError: No module named 'not_there'",
    ),
    "an exit": ("sentiment_handler.py", lambda content: b"import os; os._exit(3)", "died"),
    "a setting": (
        "model-config.yaml",
        lambda content: content.replace(b"engine: auto", b"engine: fast"),
        "died .*: ValueError: model-config.yaml: handler.engine must be one of",
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
def test_why_an_archive_cannot_be_served_is_said_at_once(
    archive: Path, tmp_path: Path, kind: str
) -> None:
    member, change, message = BROKEN[kind]
    # All of these fail before the model is loaded, so that none needs to be unpacked.
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
    ids=["cut short", "empty", "overwritten"],
)
def test_an_archive_that_was_damaged_is_said_to_be(
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
    """Fails the test where the launcher waits for a time-out of its own or of TorchServe's."""
    began = time.monotonic()
    try:
        server.start()
    finally:
        assert time.monotonic() - began < 100


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("load_models", "other.mar", "could not load the archive: ModelNotFoundException"),
        ("models", "{", "JsonSyntaxException"),
        ("inference_address", "http://[::]:8080", "Invalid configuration: Invalid binding address"),
        ("metrics_config", "/not/there.yaml", "/not/there.yaml"),
    ],
)
def test_why_a_configuration_cannot_be_served_is_said_at_once(
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


def test_an_odd_environment_and_odd_paths_change_nothing(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, since each takes a start: they do not hide one another."""
    folder = tmp_path / "süß 日本 #1 %20"
    folder.mkdir()
    (folder / "sentiment.mar").hardlink_to(archive)
    shutil.copy(ROOT / "log4j2.xml", folder)
    for module in ("sentiment", "torchserve_patches", "sentiment_handler", "msgspec"):
        (folder / f"{module}.py").write_text("raise SystemExit('hijacked')")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("TS_CONFIG_FILE", "/not/there.properties")
    monkeypatch.setenv("LC_ALL", "C")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    inference, management = free_ports(2)
    server = isolated_server(
        folder,
        folder,
        inference_address=f"http://0.0.0.0:{inference}",
        management_address=f"http://{socket.gethostname()}:{management}",
    )
    server.log_config = folder / "log4j2.xml"
    try:
        assert server.start().label == "POSITIVE"
        broken_form = requests.post(
            f"{server.properties.inference}/predictions/sentiment",
            data="text=tell-nobody%zz",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=30,
        )
        assert broken_form.status_code == 500
    finally:
        server.stop()
    log = server.log.read_text(encoding="utf-8")
    assert "Model server started" in log
    assert "tell-nobody" not in log


def test_a_process_that_exits_by_itself_does_not_keep_the_rest_from_being_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = isolated_server(tmp_path, tmp_path)
    temp = tmp_path / "temp"
    temp.mkdir()
    server.key_file.touch()
    (tmp_path / "server.json").write_text(json.dumps({"temp": str(temp)}))
    sleep = [sys.executable, "-c", "import time; time.sleep(60)", f"-Djava.io.tmpdir={temp}"]
    worker = [*sleep[:-1], f"{temp}/.ts.sock.9000"]
    started = [subprocess.Popen(command) for command in (sleep, worker)]

    def too_late(process: psutil.Process) -> None:
        os.kill(process.pid, signal.SIGKILL)
        raise psutil.NoSuchProcess(process.pid)

    monkeypatch.setattr(processes, "STOP_SECONDS", 0.5)
    monkeypatch.setattr(psutil.Process, "terminate", too_late)
    monkeypatch.setattr(psutil.Process, "kill", too_late)
    while server.java() is None:  # between fork and exec
        time.sleep(0.05)
    assert server.stop()
    for process in started:
        process.wait(timeout=5)
    assert not temp.exists()
    assert not server.key_file.exists()
    assert not server.stop()


def test_tokens_are_required_and_sent(archive: Path, tmp_path: Path) -> None:
    with running(archive, tmp_path, disable_token_authorization="false") as server:
        assert server.key_file.stat().st_mode & 0o077 == 0
        with SentimentClient(server.properties.inference) as stranger:
            with pytest.raises(Unauthorized) as caught:
                stranger.predict("good")
            assert caught.value.status == 400
        with server.client() as client, server.management() as management:
            assert client.predict("Great!").label == "POSITIVE"
            assert management.describe().ready_workers == 1
            with pytest.raises(NotAllowed):  # enable_model_api=false, as it ships
                management.register("sentiment.mar")
            rotate_token(server)
            assert client.predict("Awful.").label == "NEGATIVE"
        java = server.java()
        assert java is not None
        family = [java, *java.children(recursive=True)]
        assert len(family) > 1
        temp = temporary_folder(server)
        assert server.stop()
        assert alive(family) == []
        assert not server.key_file.exists()
        assert not temp.exists()
        assert not server.stop()
    assert processes_in(tmp_path) == []


def rotate_token(server: Server) -> None:
    keys = json.loads(server.key_file.read_text())
    answer = requests.get(
        f"{server.properties.management}/token",
        params={"type": "inference"},
        headers={"Authorization": f"Bearer {keys['API']['key']}"},
        timeout=10,
    )
    assert answer.status_code == 200
    assert json.loads(server.key_file.read_text())["inference"] != keys["inference"]


def test_workers_of_a_java_that_was_killed_are_stopped(archive: Path, tmp_path: Path) -> None:
    with running(archive, tmp_path) as server:
        # Another launcher of the same folder, as after an interrupted one.
        other = Server(server.properties, server.model_store, server.log_config, tmp_path, tmp_path)
        assert other.java() == server.java()
        java = server.java()
        assert java is not None
        family = [java, *java.children(recursive=True)]
        temp = temporary_folder(server)
        java.kill()
        other.stop()
        assert server.java() is None
        assert alive(family) == []
        assert not temp.exists()
    assert processes_in(tmp_path) == []
