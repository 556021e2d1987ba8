"""Start and stop the server, also twice and under odd conditions."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from scripts.launcher import processes, serve
from scripts.launcher.ports import free_ports
from scripts.launcher.server import Server, isolated_server
from scripts.paths import ROOT
from sentiment_client import NotAllowed, SentimentClient, Unauthorized
from tests.conftest import running
from tests.integration.conftest import processes_in


def temporary_folder(server: Server) -> Path:
    """The folder of the server's sockets and its extracted archive."""
    return Path(json.loads((server.run / "server.json").read_text())["temp"])


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    """The processes that are still running; one that has exited may be a zombie for a while."""
    return [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_starting_a_running_server_says_that_it_is_up(
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


def test_the_server_starts_in_an_odd_environment_and_under_odd_paths(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All conditions in one test, to start only one server; none hides another."""
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


def test_stopping_continues_if_a_process_has_already_exited(
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
    while server.java() is None:  # until it has called exec
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
            (worker,) = management.describe().workers
            assert worker.ready
            assert server.next_worker("sentiment", "1.0", timeout=60) == worker.pid
            with pytest.raises(NotAllowed):  # enable_model_api=false is the default
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
        # Another launcher for the same folder, as after the first one was interrupted.
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
