"""What can be asked and measured: a server over HTTP, and the engine in a loop."""

import asyncio
import http.client
import itertools
import json
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from benchmarks.label_check import labels_in
from benchmarks.load import closed_loop, open_loop
from benchmarks.load.loads import Load
from benchmarks.load.texts import bodies
from benchmarks.process import Process
from benchmarks.report.summary import percentile
from benchmarks.results import Measurement
from benchmarks.servers import Server
from scripts.failure import Failure
from scripts.launcher.ports import free_ports

START_SECONDS = 180.0
# A server that is still busy with what nobody waits for any more is started anew.
IDLE_SECONDS = 10.0
# What is under way when a load ends is not counted: half a turn of all connections at most.
TURNS = 6
# A slow server gets as many times the seconds of a load, and no more.
MOST_TIMES = 15


class Subject(Protocol):
    """Started when it is made; `stop` ends it."""

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """What it says of some texts, which of `labels`; raises Failure."""

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """Put it under a load in round `number`; raises Failure.

        `speed`, in texts a second, is what it did before.
        """

    def idle(self) -> bool:
        """Whether it is done with what it was sent."""

    def stop(self) -> None:
        """End it."""


class Web:
    """A server of ours or of others."""

    def __init__(self, server: Server, folder: Path, archive: Path, unpacked: Path) -> None:
        self._server = server
        self._folder = folder
        (port,) = free_ports(1)
        self._base = f"http://127.0.0.1:{port}"
        self._process = Process(
            server.module, folder, archive, unpacked if server.ours else None, port
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """All texts in one request, and all once more at the same moment, each in its own.

        Those may share a batch: each has to get its own answer, and none of another's.
        """
        with ThreadPoolExecutor(len(texts)) as pool:
            answers = pool.map(lambda text: self._ask([text], labels), texts)
            singly = [found for answer in answers for found in answer]
        together = self._ask(texts, labels)
        if singly != together:
            raise Failure(f"one by one it gives {singly}, together {together}")
        return together

    def warm_up(self, texts: Sequence[str], seconds: int) -> None:
        """Load that is not measured."""
        sent = bodies(texts, 1)
        closed_loop.run(self._url(1), sent, self._folder / "bodies", 32, seconds)

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """Closed loop or open loop."""
        sent = bodies(texts, load.texts)
        if load.rate:
            return self._open(load, sent, number)
        seconds = patience(load, speed)
        report = closed_loop.run(
            self._url(load.texts), sent, self._folder / "bodies", load.connections, seconds
        )
        return Measurement(
            self._server.name,
            load.key,
            number,
            report.requests_per_second * load.texts,
            report.p50,
            report.p95,
            report.p99,
            report.requests,
            report.errors,
        )

    def _open(self, load: Load, sent: Sequence[bytes], number: int) -> Measurement:
        due = open_loop.schedule(load.rate, load.seconds)
        outcome = asyncio.run(open_loop.run(self._url(1), sent, due))
        latencies = [1e3 * seconds for seconds in outcome.latencies]
        saturated = outcome.unanswered > 0
        p50, p95, p99 = (
            percentile(latencies, share) if latencies and not saturated else None
            for share in (0.50, 0.95, 0.99)
        )
        return Measurement(
            self._server.name,
            load.key,
            number,
            len(latencies) / outcome.seconds,
            p50,
            p95,
            p99,
            len(due),
            outcome.errors,
            saturated,
        )

    def idle(self) -> bool:
        """Whether a text is answered soon."""
        try:
            status, _ = self._post(["Good."], IDLE_SECONDS)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200

    def stop(self) -> None:
        """End it with all its processes."""
        self._process.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self._process.running():
                raise Failure("it ended while it was starting", self._process.last_lines())
            try:
                if self._post(["Good."], 10)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass  # not listening yet
            time.sleep(0.2)
        raise Failure(
            f"it did not answer within {START_SECONDS:.0f} seconds", self._process.last_lines()
        )

    def _ask(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        try:
            status, answer = self._post(texts, 30)
            if status != 200:
                raise Failure(f"it answers {status}", self._process.last_lines())
            return list(labels_in(json.loads(answer), labels))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure(f"it gives no answer: {error}", self._process.last_lines()) from None

    def _post(self, texts: Sequence[str], timeout: float) -> tuple[int, bytes]:
        (body,) = bodies(texts, len(texts))
        address = urlsplit(self._url(len(texts)))
        connection = http.client.HTTPConnection(address.netloc, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", address.path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _url(self, texts: int) -> str:
        return self._base + (self._server.one if texts == 1 else self._server.many)


class Loop:
    """The engine, called by nobody but its own process."""

    def __init__(self, server: Server, folder: Path, archive: Path, unpacked: Path) -> None:
        self._server = server
        self._process = Process(server.module, folder, archive, unpacked)

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """What it says of them."""
        return list(labels_in(self._ask(texts=list(texts)), labels))

    def engine(self) -> str:
        """Which one the archive's settings choose on this machine."""
        return str(self._ask(engine=True))

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """As many texts a call as a request of the load has; connections and rates are nothing."""
        took = self._ask(texts=list(texts), size=load.texts, seconds=load.seconds)
        p50, p95, p99 = (1e3 * percentile(took, share) for share in (0.50, 0.95, 0.99))
        done = len(took) * load.texts / sum(took)
        return Measurement(self._server.name, load.key, number, done, p50, p95, p99, len(took))

    def idle(self) -> bool:
        """It always is."""
        return True

    def stop(self) -> None:
        """End it."""
        self._process.stop()

    def _ask(self, **asked: Any) -> Any:
        to, of = self._process.popen.stdin, self._process.popen.stdout
        if to is None or of is None:
            raise Failure("it was started without pipes")
        try:
            to.write(json.dumps(asked).encode() + b"\n")
            to.flush()
            return json.loads(of.readline())
        except (OSError, ValueError):
            raise Failure("it ended", self._process.last_lines()) from None


def patience(load: Load, speed: float | None) -> int:
    """Seconds for a closed loop: those of the load, or more where a server is slow.

    Every connection has to get some answers, or the count says nothing. `speed` is what the
    server did before, in texts a second.
    """
    turn = load.connections * load.texts / speed if speed else 0
    return min(max(load.seconds, math.ceil(TURNS * turn)), MOST_TIMES * load.seconds)


def same_for_the_loop(loads: Sequence[Load]) -> list[list[Load]]:
    """Loads that are one and the same to `Loop`, together."""

    def kind(load: Load) -> tuple[str, int]:
        return load.corpus, load.texts

    return [list(group) for _, group in itertools.groupby(sorted(loads, key=kind), key=kind)]
