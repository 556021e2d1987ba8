"""What integration tests share: raw requests, counters and the worker's identity."""

import re
import time
from collections.abc import Callable, Iterator

import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import ManagementClient, SentimentClient

Post = Callable[..., requests.Response]


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
        time.sleep(0.3)  # what was answered a moment ago is counted a moment later
        text = requests.get(f"{server.properties.metrics}/metrics", timeout=10).text
        found = re.findall(r"^(sentiment_\w+)\{[^}]*\} (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    return read


@pytest.fixture
def same_workers(management: ManagementClient) -> Iterator[None]:
    """Fails the test if a worker died while it ran."""
    before = [worker.pid for worker in management.describe().workers]
    yield
    after = management.describe()
    assert [worker.pid for worker in after.workers] == before
    assert after.ready_workers == len(before)
