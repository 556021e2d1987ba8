"""Fixtures of the integration tests: clients, counters, workers, a front, a copy of a checkout."""

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests

from scripts.launcher.front import Front
from scripts.launcher.processes import each_process
from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment_client import ManagementClient, SentimentClient
from tests.integration.fronts import BEARER, TOKEN, Send, fronting, sending

# The files of a checkout that the launcher needs, without those that `make` creates.
SOURCES = (
    *("handler", "scripts", "client", "deploy"),
    *("config.properties", "log4j2.xml", "metrics.yaml"),
)


@pytest.fixture
def client(server: Server) -> Iterator[SentimentClient]:
    with server.client() as client:
        yield client


@pytest.fixture
def management(server: Server) -> Iterator[ManagementClient]:
    with server.management() as management:
        yield management


@pytest.fixture
def url(server: Server) -> str:
    return f"{server.properties.inference}/predictions/sentiment"


@pytest.fixture
def counters(server: Server) -> Callable[[], dict[str, float]]:
    """Reads the handler's counters from the metrics address."""

    def read() -> dict[str, float]:
        time.sleep(1.5)  # counters lag behind the answers by up to a second
        text = requests.get(f"{server.properties.metrics}/metrics", timeout=10).text
        samples = re.findall(r"^(sentiment_\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    return read


@pytest.fixture
def same_workers(management: ManagementClient) -> Iterator[None]:
    """Fails the test if a worker died while it ran."""
    before = [worker.pid for worker in management.describe().workers]
    yield
    after = management.describe()
    assert [worker.pid for worker in after.workers] == before
    assert after.ready_workers == len(before)


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "clients.conf"
    path.write_text(f"{TOKEN} the-tests;\n")
    return path


@pytest.fixture(scope="module")
def front(
    server: Server, clients: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """A front with one known client, before the server that all tests share."""
    with fronting(server, tmp_path_factory.mktemp("front"), clients=str(clients)) as started:
        yield started


@pytest.fixture
def send(front: Front) -> Iterator[Send]:
    with sending(front, BEARER) as send:
        yield send


@pytest.fixture
def work() -> Iterator[Path]:
    """A folder with a short path, since it will hold sockets."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def checkout(work: Path) -> Path:
    """A copy of this checkout's sources."""
    return copy_checkout(work)


def copy_checkout(work: Path) -> Path:
    """Copy this checkout's sources to a new folder."""
    folder = work / "checkout"
    folder.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


def processes_in(folder: Path) -> list[psutil.Process]:
    """Every process with this working directory, such as the Java of a server with that home."""
    return [process for process, cwd in each_process(psutil.Process.cwd) if Path(cwd) == folder]
