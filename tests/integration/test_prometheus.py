"""A real Prometheus reads the metrics: the dashboard has data, and each alert fires for its cause.

All times in the files of deploy/ are divided by the same number, else these tests would take an
hour. It is 20 or, on a slow machine, so small that workers can start four times in 15 minutes.
"""

import contextlib
import json
import math
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
import pytest
import requests

from scripts.launcher.ports import free_ports
from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment_client import SentimentError
from tests.conftest import running

MOST, STARTS = 20, 4
DEPLOY = ROOT / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "sentiment.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
MILLISECONDS = {"s": 1000, "m": 60_000}
WINDOW = "[20s]"

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs Prometheus: apt-get install prometheus"
)


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus at `address` whose times are divided by `faster`; it reads from `server`."""

    address: str
    server: Server
    faster: float

    def get(self, path: str, **parameters: str) -> Any:
        answer = requests.get(f"{self.address}/api/v1/{path}", parameters, timeout=10)
        body = answer.json()
        assert body["status"] == "success", body
        return body["data"]

    def values(self, expression: str) -> list[float]:
        """The current values of an expression."""
        return [float(row["value"][1]) for row in self.get("query", query=expression)["result"]]

    def firing(self) -> set[str]:
        alerts = self.get("alerts")["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


@pytest.fixture(scope="module")
def prometheus(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the files of deploy/, and a server whose workers may be killed."""
    folder, home = tmp_path_factory.mktemp("prometheus"), tmp_path_factory.mktemp("observed")
    started = time.monotonic()
    with running(archive, home) as server:
        faster = min(MOST, 15 * 60 / STARTS / (time.monotonic() - started))
        with observed(server, faster, folder) as prometheus:
            yield prometheus


@contextlib.contextmanager
def observed(server: Server, faster: float, folder: Path) -> Iterator[Prometheus]:
    def shorter(time: re.Match[str]) -> str:
        return f"{round(int(time[1]) * MILLISECONDS[time[2]] / faster)}ms"

    for name in ("prometheus.yml", "alerts.yml"):
        text = (DEPLOY / "prometheus" / name).read_text(encoding="utf-8")
        text = text.replace("localhost:8082", server.properties.metrics.removeprefix("http://"))
        (folder / name).write_text(re.sub(r"\b(\d+)([sm])\b", shorter, text), encoding="utf-8")
    (port,) = free_ports(1)
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            prometheus = Prometheus(f"http://127.0.0.1:{port}", server, faster)
            wait(lambda: up(prometheus), "Prometheus has not read the metrics")
            yield prometheus
        finally:
            process.terminate()
            process.wait(30)


def up(prometheus: Prometheus) -> bool:
    with contextlib.suppress(requests.RequestException):
        return prometheus.values("sentiment_batches_total") != []
    return False


def wait(condition: Callable[[], bool], otherwise: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.3)


@contextlib.contextmanager
def repeating(call: Callable[[], object], threads: int = 1, pause: float = 0) -> Iterator[None]:
    """Make a call over and over in `threads` threads, which start at different moments."""
    done = Event()

    def repeat(number: int) -> None:
        done.wait(0.2 * number)
        while not done.is_set():
            # As long as workers die, requests fail.
            with contextlib.suppress(requests.RequestException, SentimentError, psutil.Error):
                call()
            done.wait(pause)

    repeaters = [Thread(target=repeat, args=[number]) for number in range(threads)]
    for repeater in repeaters:
        repeater.start()
    try:
        yield
    finally:
        done.set()
        for repeater in repeaters:
            repeater.join()


def post(server: Server, path: str = "/predictions/sentiment", **arguments: Any) -> int:
    url = f"{server.properties.inference}{path}"
    return requests.post(url, timeout=60, **arguments).status_code


def mixed_requests(server: Server) -> None:
    """One request of several kinds, and errors of the handler and of TorchServe itself."""
    post(server, json={"text": "A wonderful film."})
    post(server, json={"texts": ["Awful.", " ", "The parcel arrived on Tuesday."]})
    post(server, "/v1/models/sentiment:predict", json={"instances": ["Great!"]})
    assert post(server, json={}) == 422
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert post(server, data=b"text=%zz", headers=form) == 500


def expressions() -> dict[str, str]:
    """Each query of the dashboard by its panel, and each useful expression of the document."""
    (table,) = re.findall(r"^## Useful.*?^## ", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^\| (.*?) \| `(.*)` \|$", table, re.MULTILINE)
    assert len(rows) > 5
    return {title: re.sub(r"\[\w+\]", WINDOW, expression) for title, expression in rows} | {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("[$__rate_interval]", WINDOW)
        .replace("$instance", ".*")
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }


@pytest.fixture
def load(prometheus: Prometheus) -> Iterator[None]:
    with repeating(lambda: mixed_requests(prometheus.server), pause=0.1):
        yield


def test_every_expression_has_data_under_load(prometheus: Prometheus, load: None) -> None:
    def has_data(expression: str) -> bool:
        return any(map(math.isfinite, prometheus.values(expression)))

    missing = expressions()
    deadline = time.monotonic() + 60
    while missing := {title: e for title, e in missing.items() if not has_data(e)}:
        assert time.monotonic() < deadline, f"no data: {missing}"
        time.sleep(0.3)


def test_figures_are_those_of_the_load(prometheus: Prometheus, load: None) -> None:
    def value(expression: str) -> float:
        values = prometheus.values(expression.replace("RANGE", WINDOW))
        return values[0] if values else math.nan

    def mean(name: str) -> float:
        return value(f"rate({name}_sumRANGE) / rate({name}_countRANGE)")

    workers = "sum(rate(sentiment_ready_worker_seconds_totalRANGE))"
    wait(lambda: value(workers) == pytest.approx(1, abs=0.2), "there is one worker")
    wait(
        lambda: mean("sentiment_batch_requests") == pytest.approx(1, abs=0.05),
        "requests come one after the other",
    )
    # Of five requests, the three with a text have 1, 2 and 1.
    wait(lambda: mean("sentiment_batch_texts") == pytest.approx(4 / 3, abs=0.1), "texts per batch")
    highest = "histogram_quantile(1, sum by (le) (rate(sentiment_request_secondsRANGE)))"
    assert 0 < mean("sentiment_request_seconds") < value(highest.replace("RANGE", "_bucketRANGE"))


def test_every_rule_is_evaluated(prometheus: Prometheus) -> None:
    assert rules(prometheus).keys() == set().union(*(alerts for _, alerts in CAUSES.values()))
    wait(lambda: set(rules(prometheus).values()) == {"ok"}, "a rule cannot be evaluated")


def rules(prometheus: Prometheus) -> dict[str, str]:
    """The health of each rule."""
    (group,) = prometheus.get("rules")["groups"]
    return {rule["name"]: rule["health"] for rule in group["rules"]}


def long_requests(server: Server) -> AbstractContextManager[None]:
    """Batches that take over half a second, while others wait for them.

    Not much longer on a slow machine, where the alerts would wait for the end of each batch.
    """
    started = time.monotonic()
    post(server, json=long_texts(4))
    number = round(4 * 0.7 / (time.monotonic() - started))
    return repeating(lambda: post(server, json=long_texts(min(max(number, 2), 32))), threads=3)


def long_texts(number: int) -> dict[str, list[str]]:
    return {"texts": [f"{index} " + "word " * 600 for index in range(number)]}


@contextlib.contextmanager
def dying_workers(server: Server) -> Iterator[None]:
    """The worker is killed again and again in the middle of a batch."""
    with server.management() as management:

        def kill() -> None:
            for worker in management.describe().workers:
                if worker.ready:
                    psutil.Process(worker.pid).kill()

        working = repeating(lambda: post(server, json=long_texts(8)), threads=4)
        with working, repeating(kill, pause=2):
            yield
    with server.client(timeout=120) as client:
        client.predict("Great!")


@contextlib.contextmanager
def no_workers(server: Server) -> Iterator[None]:
    with server.management() as management:
        management.scale(0)
        try:
            yield
        finally:
            management.scale(1)


@contextlib.contextmanager
def hanging_server(server: Server) -> Iterator[None]:
    java = server.java()
    assert java is not None
    java.suspend()
    try:
        yield
    finally:
        java.resume()


CAUSES: dict[str, tuple[Callable[[Server], AbstractContextManager[None]], set[str]]] = {
    "long requests": (long_requests, {"SentimentSlow", "SentimentQueueGrows"}),
    "dying workers": (dying_workers, {"SentimentErrors", "SentimentWorkersRestart"}),
    "no workers": (no_workers, {"SentimentNoReadyWorker"}),
    "a hanging server": (hanging_server, {"SentimentDown"}),
}


@pytest.mark.parametrize(("cause", "alerts"), CAUSES.values(), ids=CAUSES.keys())
def test_an_alert_fires_for_its_cause(
    prometheus: Prometheus,
    cause: Callable[[Server], AbstractContextManager[None]],
    alerts: set[str],
) -> None:
    seconds = 60 * 60 / prometheus.faster
    wait(lambda: not alerts & prometheus.firing(), "an alert fires before its cause", seconds)
    deadline = time.monotonic() + seconds
    missing = set(alerts)
    with cause(prometheus.server):
        while missing := missing - prometheus.firing():
            assert time.monotonic() < deadline, f"{missing} did not fire"
            time.sleep(0.3)
