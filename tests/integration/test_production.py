"""The promises of the production profile in docs/security.md, on one server of a checkout."""

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from scripts.launcher import tokens
from scripts.launcher.front import Front, nginx_command
from scripts.launcher.ports import free_ports
from scripts.launcher.processes import each_process
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from sentiment_client import NotFound, SentimentClient, Unauthorized, Unhealthy
from tests.integration.conftest import copy_checkout, processes_in
from tests.integration.docs_examples import examples
from tests.integration.load import wait_until
from tests.integration.stopping import assert_nothing_is_lost, await_line

pytestmark = pytest.mark.skipif(
    nginx_command() is None or shutil.which("curl") is None,
    reason="needs nginx and curl: apt-get install nginx curl",
)
GOOD = {"text": "A gripping, beautifully shot film."}


def launch(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.launcher", *arguments]
    secrets = {"MY_DATABASE": "postgres://u:p@host", "AWS_PROFILE": "x", "NVIDIA_API_KEY": "y"}
    return subprocess.run(
        command, cwd=checkout, env=os.environ | secrets, capture_output=True, text=True, check=False
    )


def prepared(folder: Path, archive: Path) -> Path:
    """A copy of the checkout in `folder`, with an archive and free ports."""
    checkout = copy_checkout(folder)
    (checkout / "model_store").mkdir()
    (checkout / "model_store" / "sentiment.mar").hardlink_to(archive)
    ports = iter(free_ports(6))
    replace_ports(checkout / "config.properties", r"^(\w+_(?:address=http.*:|port=))\d+$", ports)
    replace_ports(checkout / "deploy" / "nginx" / "front.properties", r"^(listen=.*:)\d+$", ports)
    return checkout


def front_of(checkout: Path) -> Front:
    """The front of a checkout whose server has been started with the production profile."""
    run = checkout / ".run"
    server = Server(
        Properties.read(run / "production.properties"),
        model_store=checkout / "model_store",
        log_config=checkout / "log4j2.xml",
        home=checkout,
        run=run,
    )
    settings = Properties.read(checkout / "deploy" / "nginx" / "front.properties")
    return Front(settings, server, run / "nginx")


@pytest.fixture(scope="module")
def production(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """`make serve PROFILE=production` in a copy of the checkout, on free ports."""
    checkout = prepared(tmp_path_factory.mktemp("production"), archive)
    try:
        started = launch(checkout, "serve", "--profile", "production")
        assert started.returncode == 0, started.stderr
        front = front_of(checkout)
        (command,) = re.findall(r"^ *(curl --cacert .*)$", started.stdout, re.MULTILINE)
        shown = subprocess.run(
            ["sh", "-c", f"{command} --silent --noproxy '*'"], capture_output=True, check=True
        )
        assert json.loads(shown.stdout)["sentiment"] == "POSITIVE"
        yield front
    finally:
        stopped = launch(checkout, "stop")
    assert stopped.stdout == "The server was not running.\n"  # after the last test


def replace_ports(path: Path, pattern: str, ports: Iterator[int]) -> None:
    text = path.read_text()
    path.write_text(re.sub(pattern, lambda m: f"{m[1]}{next(ports)}", text, flags=re.MULTILINE))


def client_token(front: Front) -> str:
    return front.clients.read_text().split()[0]


def client_of(front: Front, token: str | None, max_retries: int = 5) -> SentimentClient:
    certificate = str(front.certificate)
    return SentimentClient(front.address, token=token, verify=certificate, max_retries=max_retries)


def test_a_client_needs_the_token_of_the_front(production: Front) -> None:
    with client_of(production, client_token(production)) as client:
        assert client.predict("Great!").label == "POSITIVE"
    inner = json.loads(production.server.key_file.read_text())
    for token in (None, "wrong", inner["inference"]["key"], inner["management"]["key"]):
        with client_of(production, token) as stranger, pytest.raises(Unauthorized) as caught:
            stranger.predict("good")
        assert caught.value.status == 401


def test_only_the_front_and_the_operator_reach_torchserve(production: Front) -> None:
    server = production.server
    assert {host for host, _ in server.properties.ports().values()} == {"127.0.0.1"}
    for address in (server.properties.inference, server.properties.management):
        assert requests.get(f"{address}/ping", timeout=30).status_code == 400
    with SentimentClient(server.properties.inference) as stranger:
        with pytest.raises(Unauthorized):
            stranger.predict("good")


def test_secrets_can_be_read_by_their_owner_only(production: Front) -> None:
    for path in (
        production.clients,
        production.run / "token.conf",
        production.run / "key.pem",
        production.server.key_file,
    ):
        assert path.stat().st_mode & 0o077 == 0, path


def test_models_are_managed_with_the_management_token_and_not_fetched(
    production: Front,
) -> None:
    with production.server.management() as management:
        assert management.list()
        for url in ("http://127.0.0.1:9/evil.mar", "file:///etc/passwd", "../evil.mar"):
            with pytest.raises(NotFound):
                management.register(url)
    inner = json.loads(production.server.key_file.read_text())["management"]["key"]
    answer = requests.post(
        f"{production.server.properties.management}/workflows?url=http://127.0.0.1:9/evil.war",
        headers={"Authorization": f"Bearer {inner}"},
        timeout=30,
    )
    assert answer.status_code == 404
    assert {p.name for p in production.server.model_store.iterdir()} == {"sentiment.mar"}


def test_workers_inherit_no_other_variables(production: Front) -> None:
    java = production.server.java()
    assert java is not None
    environments = [process.environ() for process in java.children(recursive=True)]
    assert environments
    for environment in environments:
        assert not {"MY_DATABASE", "AWS_PROFILE", "NVIDIA_API_KEY", "PWD"} & environment.keys()
        assert "PATH" in environment
    assert "MY_DATABASE" in java.environ()


def test_no_snapshot_is_written(production: Front) -> None:
    assert list(production.server.home.rglob("*.cfg")) == []


def test_tokens_are_renewed_before_they_expire(production: Front) -> None:
    server = production.server
    first = json.loads(server.key_file.read_text())
    # They are valid for an hour, of which half is not over.
    assert 0 < tokens.Renewal(server, production.reload).renew_when_due() <= 1800
    assert json.loads(server.key_file.read_text()) == first

    token = client_token(production)
    url = f"{production.address}/predictions/sentiment"
    half_is_over = Server(
        Properties(
            server.properties.path, server.properties.values | {"token_expiration_min": "180"}
        ),
        server.model_store,
        server.log_config,
        server.home,
        server.run,
    )
    stale: list[requests.Response] = []

    def apply() -> None:
        """What a client sees until the front has the new token; then the front gets it."""
        headers = {"Authorization": f"Bearer {token}"}
        certificate = str(production.certificate)
        stale.append(requests.post(url, json=GOOD, headers=headers, verify=certificate, timeout=60))
        production.reload()

    failures = [OSError("the front does not answer")]

    def apply_at_the_second_try() -> None:
        if failures:
            raise failures.pop()
        apply()

    renewal = tokens.Renewal(half_is_over, apply_at_the_second_try)
    with pytest.raises(OSError, match="does not answer"):
        renewal.renew_when_due()
    # Other tokens by now, or the same: in any case the front gets the present one.
    assert renewal.renew_when_due() == 0.0
    second = json.loads(server.key_file.read_text())
    for kind in ("management", "inference"):
        assert second[kind]["key"] != first[kind]["key"]
    (answer,) = stale
    assert (answer.status_code, answer.json()["error_type"]) == (503, "Unhealthy")
    assert answer.headers["Retry-After"] == "1"
    with client_of(production, token) as client:  # retries a 503
        assert client.predict("Great!").label == "POSITIVE"
    with pytest.raises(Unauthorized):
        with SentimentClient(server.properties.inference, token=first["inference"]["key"]) as late:
            late.predict("good")


def test_the_runbook_rotates_a_token_and_the_certificate(production: Front) -> None:
    checkout, first = production.server.home, client_token(production)
    before = ssl.get_server_certificate(endpoint(production))
    commands: dict[str, list[str]] = {}
    for example in examples("docs/operations.md"):
        commands.setdefault(example.name, []).append(example.code)

    def follow(heading: str) -> str:
        script = "".join(commands[heading])
        serve = f"{sys.executable} -m scripts.launcher serve --profile production"
        assert "make serve PROFILE=production" in script
        script = script.replace("make serve PROFILE=production", serve)
        script = script.replace("FIRST-TOKEN", first)
        script = script.replace("localhost:8443", ":".join(map(str, endpoint(production))))
        run = ["bash", "-euo", "pipefail", "-c", script]
        return subprocess.run(run, cwd=checkout, capture_output=True, text=True, check=True).stdout

    follow("Tokens of clients")
    assert client_token(production) != first
    with client_of(production, client_token(production)) as client:
        wait_until(lambda: client.predict("Great!").label == "POSITIVE")
    wait_until(lambda: is_refused(production, first))
    assert "serial=" in follow("The certificate")
    wait_until(lambda: ssl.get_server_certificate(endpoint(production)) != before)


def endpoint(front: Front) -> tuple[str, int]:
    address = urlsplit(front.address)
    return str(address.hostname), int(address.port or 443)


def is_refused(front: Front, token: str) -> bool:
    with client_of(front, token) as client:
        try:
            client.predict("good")
        except Unauthorized:
            return True
    return False


def renewing(checkout: Path) -> list[psutil.Process]:
    return [
        process
        for process, arguments in each_process(psutil.Process.cmdline)
        if "scripts.launcher.tokens" in arguments and Path(process.cwd()) == checkout
    ]


def test_starting_it_again_says_so_and_another_profile_is_refused(production: Front) -> None:
    checkout = production.server.home
    again = launch(checkout, "serve", "--profile", "production")
    assert "is already up" in again.stdout
    assert "changed" not in again.stdout
    # One process renews the tokens. That it ends with the server is seen in the fixture.
    wait_until(lambda: len(renewing(checkout)) == 1)
    other = launch(checkout, "serve")
    assert (other.returncode, other.stderr) == (
        1,
        "The server is running with another profile: run 'make stop' first.\n",
    )


def test_a_stop_loses_no_request_of_the_clients_of_the_front(production: Front) -> None:
    """The last test of this server. The stop uses the settings from before an edit."""
    checkout = production.server.home
    config = checkout / "config.properties"
    config.write_text(
        config.read_text().replace(production.server.properties.inference, "http://127.0.0.1:1")
    )
    with ThreadPoolExecutor(1) as pool:
        stopping: list[Future[subprocess.CompletedProcess[str]]] = []
        assert_nothing_is_lost(
            f"{production.address}/predictions/sentiment",
            lambda: stopping.append(pool.submit(launch, checkout, "stop")),
            headers={"Authorization": f"Bearer {client_token(production)}"},
            verify=str(production.certificate),
        )
        stopped = stopping[0].result()
    assert (stopped.returncode, stopped.stderr) == (0, "")
    assert "Draining: " in stopped.stdout
    assert stopped.stdout.endswith("Stopped.\n")
    wait_until(lambda: processes_in(checkout) == [])


@pytest.fixture
def foreground(archive: Path, work: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    """`run --profile production`, which has started, and its checkout."""
    checkout = prepared(work, archive)
    command = [sys.executable, "-m", "scripts.launcher", "run", "--profile", "production"]
    with subprocess.Popen(
        command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            await_line(process, "The server is up at ")
            yield checkout, process
        finally:
            launch(checkout, "stop")


def test_it_runs_in_the_foreground_until_sigterm_and_leaves_no_token(
    foreground: tuple[Path, "subprocess.Popen[str]"],
) -> None:
    checkout, process = foreground
    started = launch(checkout, "serve", "--profile", "production")  # starts the front alone
    assert "is already up" in started.stdout, started.stderr
    front = front_of(checkout)
    assert front.server.key_file.stat().st_mode & 0o077 == 0
    with SentimentClient(front.server.properties.inference) as stranger:
        with pytest.raises(Unauthorized):
            stranger.predict("good")
    with front.server.client() as operator, client_of(front, client_token(front)) as client:
        assert operator.predict("Great!").label == client.predict("Great!").label == "POSITIVE"
    wait_until(lambda: len(renewing(checkout)) == 1)
    assert_nothing_is_lost(
        f"{front.address}/predictions/sentiment",
        process.terminate,
        headers={"Authorization": f"Bearer {client_token(front)}"},
        verify=str(front.certificate),
    )
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.splitlines()[-1]) == (0, "Stopped.")
    assert not front.server.key_file.exists()
    wait_until(lambda: renewing(checkout) == [])
    with client_of(front, client_token(front), max_retries=0) as client:
        with pytest.raises(Unhealthy):
            client.predict("good")  # the front outlives it, and says so in its own error
