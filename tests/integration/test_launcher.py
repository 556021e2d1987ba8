"""Starting and stopping: the second time, and when something is in the way."""

import json
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest
import requests

from scripts.failure import Failure
from scripts.launcher import serve
from scripts.launcher.server import Server, isolated_server
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
    """What the server has for its sockets and its extracted archive."""
    return Path(json.loads((server.run / "server.json").read_text())["temp"])


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that has ended may wait a while to be reaped."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_starting_again_says_that_it_is_up(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    java = server.java()
    serve.start(server)
    said = capsys.readouterr().out
    assert f"The server is already up at {server.properties.inference}" in said
    assert '{"sentiment": "POSITIVE", ' in said
    assert server.java() == java


def test_the_curl_line_that_is_shown_works(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    serve.start(server)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (command,) = [line for line in lines if line.startswith("curl ")]
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    run = ["sh", "-c", f"{command} --silent"]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert said == lines[lines.index(command) + 1]


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


def test_a_full_disk_is_told(
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


def test_a_worker_that_dies_on_start_is_told_with_the_log(archive: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    altered(archive, store / "sentiment.mar", "model/config.json", lambda content: b"")
    server = isolated_server(store, tmp_path)
    with pytest.raises(Failure, match="The worker died") as caught:
        server.start()
    assert "Traceback" in caught.value.log or "Error" in caught.value.log
    assert processes_in(tmp_path) == []


def test_tokens_are_asked_for_and_sent(archive: Path, tmp_path: Path) -> None:
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


def test_a_server_whose_record_was_lost_half_way_is_still_ended(
    archive: Path, tmp_path: Path
) -> None:
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
