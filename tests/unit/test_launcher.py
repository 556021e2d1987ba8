"""The launcher reads its configuration and checks it before it starts anything."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from requests.utils import should_bypass_proxies

from scripts.failure import Failure
from scripts.launcher.java import java_home, major_version
from scripts.launcher.preflight import check_settings
from scripts.launcher.properties import Properties
from scripts.launcher.readiness import Readiness
from scripts.launcher.server import isolated_server
from scripts.paths import ROOT
from scripts.silence import bypass_proxies
from sentiment_client import ManagementClient, SentimentClient
from tests.unit.client_cases import answer_all
from tests.unit.scripted_server import scripted

# TorchServe's description of a model with one worker that is ready.
READY = json.dumps(
    [
        {
            **{"modelName": "sentiment", "modelVersion": "1.0", "modelUrl": "sentiment.mar"},
            **{"minWorkers": 1, "maxWorkers": 1, "batchSize": 32, "maxBatchDelay": 1},
            "workers": [{"id": "9000", "pid": 1, "status": "READY", "memoryUsage": 0}],
        }
    ]
).encode()


def test_properties_are_read_as_java_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "config.properties"
    path.write_text('# a=1\n! b=2\nc = 3\nd={"x": \\\n   1}\n\ne=f=g\n')
    assert Properties.read(path).values == {"c": "3", "d": '{"x": 1}', "e": "f=g"}


def test_the_default_configuration_is_closed_to_other_machines() -> None:
    properties = Properties.read(ROOT / "config.properties")
    assert {host for host, _ in properties.ports().values()} == {"127.0.0.1"}
    assert properties.values["allowed_urls"] == "file:///nonexistent/.*"
    assert properties.values["enable_model_api"] == "false"


@pytest.mark.parametrize(
    "line",
    [
        "inference_address=localhost",
        "inference_address=unix:/tmp/x",
        "inference_address=http://localhost:99999",
        "grpc_inference_port=x",
    ],
)
def test_an_address_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "config.properties"
    path.write_text(line)
    with pytest.raises(Failure, match=line.partition("=")[0]):
        Properties.read(path).ports()


def test_the_time_to_drain_is_a_number(tmp_path: Path) -> None:
    assert Properties.read(ROOT / "config.properties").drain_seconds == 5
    path = tmp_path / "config.properties"
    path.write_text("drain_seconds=soon")
    with pytest.raises(Failure, match=r"drain_seconds in .* must be a number"):
        assert Properties.read(path).drain_seconds


def test_tokens_need_a_folder_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = {"metrics_config": str(ROOT / "metrics.yaml")}
    shipped = Properties.read(ROOT / "config.properties")
    defaults = Properties(shipped.path, shipped.values | metrics)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    check_settings(defaults, ROOT / "log4j2.xml", tmp_path)
    needing = Properties(defaults.path, {**defaults.values, "disable_token_authorization": "false"})
    with pytest.raises(Failure, match=r"writes its tokens to .* change the permissions"):
        check_settings(needing, ROOT / "log4j2.xml", tmp_path)


def test_a_missing_file_of_settings_is_named(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"config.properties cannot be read \(No such file"):
        Properties.read(tmp_path / "config.properties")


@pytest.mark.parametrize(
    ("output", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_402"', 8),
        ('openjdk version "11" 2018-09-25', 11),
        ("Error: could not find java", 0),
    ],
)
def test_the_major_version_of_java_is_parsed(tmp_path: Path, output: str, major: int) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{output}' >&2\n")
    java.chmod(0o755)
    assert major_version(tmp_path) == major
    assert major_version(tmp_path / "nowhere") == 0


def test_an_old_java_home_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'java version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java_home() != tmp_path
    assert major_version(java_home()) >= 11


def test_help_names_every_target() -> None:
    output = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("serve", "stop", "test", "check", "archive", "tune", "train"):
        assert f"make {target} " in output


def test_an_unsupported_python_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "old.py"
    script.write_text(
        "import sys, runpy, os\n"
        "os.environ['PATH'] = ''\n"
        "sys.version_info = (3, 9, 0)\n"
        f"sys.argv = ['install.py', 'serve']\n"
        f"runpy.run_path({str(ROOT / 'scripts' / 'install.py')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 3.11 to 3.13 is needed, and this is 3.9")


def test_a_server_on_all_interfaces_is_reached_by_loopback(tmp_path: Path) -> None:
    path = tmp_path / "config.properties"
    path.write_text("inference_address=http://0.0.0.0:8000\nmanagement_address=https://[::]\n")
    properties = Properties.read(path)
    assert properties.inference == "http://127.0.0.1:8000"
    assert properties.management == "https://[::1]"
    assert properties.metrics == "http://127.0.0.1:8082"


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY"])
def test_a_proxy_is_never_used_for_a_server_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv(variable, "example.org")
    bypass_proxies(["10.0.0.7", "box"])
    for host in ("10.0.0.7", "box", "example.org"):
        assert should_bypass_proxies(f"http://{host}:8080/ping", None)
    assert not should_bypass_proxies("http://example.com", None)


def test_a_server_that_is_up_but_not_trusted_is_not_waited_for() -> None:
    """As after `inference_address=https://...` with a certificate that signs itself."""
    with scripted((200, READY)) as described, scripted(answer_all) as server:
        address = server.address.replace("http:", "https:")
        with ManagementClient(described.address) as management, SentimentClient(address) as client:
            running = SimpleNamespace(java=True, workers=[])
            readiness = Readiness("sentiment", management, lambda: running, lambda: "")  # type: ignore[arg-type, return-value]
            began = time.monotonic()
            with pytest.raises(Failure, match=r"is up, but https://.* is not trusted"):
                readiness.wait(client, "good")
            assert time.monotonic() - began < 10


def test_java_is_known_before_it_has_a_command_line(tmp_path: Path) -> None:
    server = isolated_server(tmp_path, tmp_path)
    with subprocess.Popen(["sleep", "60"]) as child:
        server._child = child
        java = server.java()
        assert java is not None
        assert java.pid == child.pid
        child.kill()
        child.wait()
        assert server.java() is None


def test_a_full_disk_under_stdout_stops_nothing() -> None:
    code = "from scripts.launcher.messages import say; say('Draining'); say('Stopped.')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("words", [[], ["status"], ["serve", "now"], ["--serve"]])
def test_a_command_that_does_not_exist_is_refused_with_the_usage(words: list[str]) -> None:
    done = run_launcher(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m scripts.launcher ")
    assert done.stdout == ""


def test_help_describes_each_command() -> None:
    done = run_launcher("--help")
    assert done.returncode == 0
    for command in ("serve", "stop", "run"):
        assert f"\n    {command} " in done.stdout


def run_launcher(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.launcher", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
