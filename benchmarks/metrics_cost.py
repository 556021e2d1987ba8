"""Measure what the metrics cost: their share of the server's processor time under load.

python -m benchmarks.metrics_cost [--connections 64] [--seconds 60]

The rates of two servers, or of one with and without metrics, differ by more than the metrics cost.
So a copy of the archive takes the time of its own functions that record and send them, and Linux
knows that of the thread in which TorchServe reads what workers print.
"""

import argparse
import json
import operator
import sys
import tempfile
import zipfile
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil

from benchmarks.load import closed_loop, texts
from benchmarks.load.arguments import positive
from benchmarks.load.prerequisites import check_archive
from benchmarks.process import exit_on_sigterm
from scripts.failure import Failure, reports_failures
from scripts.launcher.server import MODEL, Server, isolated_server
from scripts.paths import ARCHIVE

WARM_UP_SECONDS = 20
# Appended to the copy's metrics.py. After each flush, the file has the seconds of each function.
METER = """

from pathlib import Path

_SPENT = {{"record": 0.0, "flush": 0.0}}


def _metered(name, function):
    def call(*args):
        start = time.thread_time()
        function(*args)
        _SPENT[name] += time.thread_time() - start
        if name == "flush":
            new = Path({file!r} + ".new")
            new.write_text(str([*_SPENT.values()]))
            new.replace({file!r})

    return call


Metrics.record = _metered("record", Metrics.record)
Counts.flush = _metered("flush", Counts.flush)
"""


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time so far: of Java and its workers, and what the metrics had of it."""

    whole: float
    record: float
    flush: float
    java: float

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(*map(operator.sub, astuple(self), astuple(other)))


@reports_failures()
def main() -> None:
    """Load the server, and print where the metrics' time went."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metrics_cost", description="Measure what the metrics cost."
    )
    parser.add_argument("--connections", type=positive, default=64, help="default: 64")
    parser.add_argument("--seconds", type=positive, default=60, help="default: 60")
    args = parser.parse_args()
    exit_on_sigterm()
    check_archive(ARCHIVE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent = folder / "spent"
        archive = folder / "store" / ARCHIVE.name
        write_metered(ARCHIVE, archive, spent)
        server = isolated_server(archive.parent, folder)
        bodies = texts.bodies(texts.read([])["sentences"], 1)

        def load(seconds: int) -> int:
            url = f"{server.properties.inference}/predictions/{MODEL}"
            file = folder / "bodies"
            return closed_loop.run(url, bodies, file, args.connections, seconds).requests

        try:
            server.start()
            load(WARM_UP_SECONDS)
            before = read(server, spent)
            requests = load(args.seconds)
            report(read(server, spent) - before, requests)
        finally:
            server.stop()


def write_metered(archive: Path, copy: Path, spent: Path) -> None:
    """Write a copy of the archive that writes the time of its metrics to the file `spent`."""
    copy.parent.mkdir()
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(copy, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename == "sentiment/metrics.py":
                content += METER.format(file=str(spent)).encode()
            target.writestr(item, content)


def read(server: Server, spent: Path) -> Spent:
    """What has been spent so far; raises Failure if Java has ended, or has several workers."""
    java = server.java()
    if java is None:
        raise Failure("TorchServe has ended.", server.last_lines())
    workers = java.children()
    if len(workers) != 1:
        raise Failure("There is more than one worker: set minWorkers to 1 in config.properties.")
    times = [process.cpu_times() for process in (java, *workers)]
    record, flush = json.loads(spent.read_text())
    whole = sum(time.user + time.system for time in times)
    return Spent(whole, record, flush, reading_seconds(java))


def reading_seconds(java: psutil.Process) -> float:
    """The processor time of the thread that reads a worker's stdout.

    The names of a worker's three threads begin alike; it is the one that is started last.
    """
    tasks = Path(f"/proc/{java.pid}/task")
    named = [int(t.name) for t in tasks.iterdir() if (t / "comm").read_text().startswith("W-")]
    nanoseconds = (tasks / str(max(named)) / "schedstat").read_text().split()[0]
    return int(nanoseconds) / 1e9


def report(spent: Spent, requests: int) -> None:
    """Print each share of the processor time, and the time per request."""
    parts = {
        "recording batches": spent.record,
        "sending, once per second": spent.flush,
        "reading, in TorchServe": spent.java,
    }
    parts["together"] = sum(parts.values())
    for name, seconds in (*parts.items(), ("Java and the worker", spent.whole)):
        microseconds = 1e6 * seconds / requests
        print(f"{name:24} {seconds / spent.whole:8.2%} {microseconds:8.1f} us per request")


if __name__ == "__main__":
    sys.exit(main())
