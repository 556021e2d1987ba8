"""Targets of a load: a server over HTTP, or the engine in its own process."""

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

from benchmarks import environments
from benchmarks.label_check import labels_in
from benchmarks.load import closed_loop, open_loop
from benchmarks.load.loads import Load
from benchmarks.load.texts import bodies
from benchmarks.process import PeerProcess
from benchmarks.report.summary import percentile
from benchmarks.results import Measurement
from benchmarks.servers import Server
from scripts.failure import Failure
from scripts.launcher.ports import free_ports

START_SECONDS = 180.0
# After a load, a server that takes longer to answer is still busy with it and is restarted.
IDLE_SECONDS = 10.0
# Answers that every connection should get in a closed loop. Requests in flight at its end are not
# counted: half an answer per connection on average.
ANSWERS_PER_CONNECTION = 6
# For a slow server, a load is extended to at most this many times its seconds.
MAX_EXTENSION = 15


class LoadTarget(Protocol):
    """A target, which runs from its construction until `stop`."""

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """Return the label of each text, one of `labels`; raises Failure."""

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """Measure it under a load in round `number`; raises Failure.

        `speed` is its latest throughput in texts per second, if known.
        """

    def idle(self) -> bool:
        """Return whether it has finished the requests of the load."""

    def stop(self) -> None:
        """Stop it."""


class HttpTarget:
    """A server that is reached over HTTP."""

    def __init__(self, server: Server, folder: Path, archive: Path, unpacked: Path) -> None:
        self._server = server
        self._folder = folder
        (port,) = free_ports(1)
        self._base = f"http://127.0.0.1:{port}"
        self._process = PeerProcess(
            server.module,
            folder,
            archive,
            unpacked if server.own_engine else None,
            port,
            environments.python(server),
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """Return the label of each text, one of `labels`; raises Failure.

        Also checks that no text gets another one's answer: texts are sent one by one and together.
        """
        with ThreadPoolExecutor(len(texts)) as pool:
            answers = pool.map(lambda text: self._predict([text], labels), texts)
            singly = list(itertools.chain.from_iterable(answers))
        together = self._predict(texts, labels)
        if singly != together:
            raise Failure(f"one by one it answers {singly}, together {together}")
        return together

    def warm_up(self, texts: Sequence[str], seconds: int) -> None:
        """Run a load without measuring it."""
        closed_loop.run(self._url(1), self._bodies(texts, 1), self._folder / "bodies", 32, seconds)

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """Measure a closed or an open loop."""
        payloads = self._bodies(texts, load.texts)
        if load.rate:
            return self._measure_open(load, payloads, number)
        seconds = duration(load, speed)
        report = closed_loop.run(
            self._url(load.texts), payloads, self._folder / "bodies", load.connections, seconds
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

    def _measure_open(self, load: Load, payloads: Sequence[bytes], number: int) -> Measurement:
        due = open_loop.schedule(load.rate, load.seconds)
        outcome = asyncio.run(open_loop.run(self._url(1), payloads, due))
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
        """Return whether it answers a text within `IDLE_SECONDS`."""
        try:
            status, _ = self._post(["Good."], IDLE_SECONDS)
        except (OSError, http.client.HTTPException):
            return False
        return status == 200

    def stop(self) -> None:
        """Stop it with all its processes."""
        self._process.stop()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self._process.running():
                raise Failure("it exited while starting", self._process.last_lines())
            try:
                if self._post(["Good."], 10)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass  # not listening yet
            time.sleep(0.2)
        raise Failure(
            f"it did not answer within {START_SECONDS:.0f} seconds", self._process.last_lines()
        )

    def _predict(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        try:
            status, answer = self._post(texts, 30)
            if status != 200:
                raise Failure(f"it answers with status {status}", self._process.last_lines())
            return list(labels_in(self._server.read(json.loads(answer)), labels))
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            raise Failure(f"it does not answer: {error}", self._process.last_lines()) from None

    def _post(self, texts: Sequence[str], timeout: float) -> tuple[int, bytes]:
        (body,) = self._bodies(texts, len(texts))
        address = urlsplit(self._url(len(texts)))
        connection = http.client.HTTPConnection(address.netloc, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", address.path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _bodies(self, texts: Sequence[str], size: int) -> list[bytes]:
        return bodies(texts, size, self._server.content)

    def _url(self, texts: int) -> str:
        return self._base + (self._server.path if texts == 1 else self._server.path_many)


class InProcessTarget:
    """The engine, called in a loop by its own process."""

    def __init__(self, server: Server, folder: Path, archive: Path, unpacked: Path) -> None:
        self._server = server
        self._process = PeerProcess(server.module, folder, archive, unpacked)

    def labels(self, texts: Sequence[str], labels: Sequence[str]) -> list[str]:
        """Return the label of each text, one of `labels`."""
        return list(labels_in(self._call(texts=list(texts)), labels))

    def engine(self) -> str:
        """Return the engine that the archive's settings choose on this machine."""
        return str(self._call(engine=True))

    def measure(
        self, load: Load, texts: Sequence[str], number: int, speed: float | None
    ) -> Measurement:
        """Call the engine with as many texts as the load has per request, for as many seconds."""
        seconds = self._call(texts=list(texts), size=load.texts, seconds=load.seconds)
        p50, p95, p99 = (1e3 * percentile(seconds, share) for share in (0.50, 0.95, 0.99))
        speed = len(seconds) * load.texts / sum(seconds)
        calls = len(seconds)
        return Measurement(self._server.name, load.key, number, speed, p50, p95, p99, calls)

    def idle(self) -> bool:
        """Return True: `measure` waits for its last call."""
        return True

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()

    def _call(self, **arguments: Any) -> Any:
        stdin, stdout = self._process.popen.stdin, self._process.popen.stdout
        if stdin is None or stdout is None:
            raise Failure("it was started without pipes")
        try:
            stdin.write(json.dumps(arguments).encode() + b"\n")
            stdin.flush()
            return json.loads(stdout.readline())
        except (OSError, ValueError):
            raise Failure("it exited", self._process.last_lines()) from None


def duration(load: Load, speed: float | None) -> int:
    """Return the seconds for a closed loop: those of the load, or more if the server is slow.

    With only few answers per connection, the throughput would not be meaningful. `speed` is the
    server's latest throughput in texts per second.
    """
    per_answer = load.connections * load.texts / speed if speed else 0
    needed = math.ceil(ANSWERS_PER_CONNECTION * per_answer)
    return min(max(load.seconds, needed), MAX_EXTENSION * load.seconds)


def by_call(loads: Sequence[Load]) -> list[list[Load]]:
    """Group loads by corpus and texts per request, which are all that `InProcessTarget` uses."""

    def call(load: Load) -> tuple[str, int]:
        return load.corpus, load.texts

    return [list(group) for _, group in itertools.groupby(sorted(loads, key=call), key=call)]
