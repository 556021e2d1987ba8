"""`make soak`: load a server for hours, and show whether memory, descriptors or latency grow.

python -m benchmarks.soak [--hours 1] [--rate 20] [--resume] [--folder FOLDER] [--picture FILE]

Starts its own server. Requests of every kind arrive at random at a steady rate. Each minute becomes
a line of FOLDER/minutes.jsonl, so that an interrupted run can be continued, with a server that is
started again.
"""

import argparse
import json
import random
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import requests

from benchmarks.load import texts
from benchmarks.load.arguments import positive
from benchmarks.load.open_loop import schedule
from benchmarks.load.prerequisites import check_archive
from benchmarks.process import exit_on_sigterm
from scripts.failure import Failure, reports_failures
from scripts.launcher.server import MODEL, Server, isolated_server
from scripts.paths import ARCHIVE, ROOT

MINUTE = 60.0
# Requests at once; more than that wait in this process, which counts as latency.
THREADS = 64
TIMEOUT_SECONDS = 60
ROWS = 7


@dataclass(frozen=True)
class Kind:
    """Requests of one kind: `share` of all, their JSON bodies, and the status that is right."""

    name: str
    share: float
    bodies: Sequence[object]
    status: int = 200


@dataclass(frozen=True)
class Minute:
    """Latencies in ms, of right answers; memory in MiB. `failures` counts all other answers.

    `java` and `worker` are memory that is not shared with other processes; descriptors include
    connections. `pids` are those of Java and the workers.
    """

    requests: int
    failures: dict[str, int]
    p50: float
    p95: float
    p99: float
    worst: float
    java: float
    worker: float
    java_descriptors: int
    worker_descriptors: int
    pids: list[int]


@reports_failures(interrupted="Interrupted: the same command with RESUME=1 continues.")
def main() -> None:
    """Run the load, then print the table and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description="Load a server for hours."
    )
    parser.add_argument("--hours", type=float, default=1.0, help="in all (default: 1)")
    parser.add_argument("--rate", type=positive, default=20, help="per second (default: 20)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "soak")
    parser.add_argument("--picture", type=Path, default=ROOT / "docs" / "soak.png")
    args = parser.parse_args()
    exit_on_sigterm()
    check_archive(ARCHIVE)
    args.folder.mkdir(parents=True, exist_ok=True)
    file = args.folder / "minutes.jsonl"
    if not args.resume:
        file.unlink(missing_ok=True)
    minutes = read(file)
    count = round(args.hours * 60)
    if len(minutes) < count:
        minutes += load(file, args.folder, args.rate, range(len(minutes), count))
    print(table(minutes))
    draw(minutes, args.picture)
    print(f"\nWrote {args.picture}")


def kinds() -> list[Kind]:
    """What is sent: short texts above all, and some of everything else."""
    corpora = texts.read([])
    short, mixed = corpora["sentences"], corpora["mixed"]
    documents = [" ".join(mixed[i : i + 4]) for i in range(0, len(mixed) - 4, 4)]
    return [
        Kind("short", 0.72, [{"text": text} for text in short]),
        Kind("list", 0.06, [{"texts": mixed[i : i + 4]} for i in range(0, len(mixed) - 4, 4)]),
        Kind("document", 0.03, [{"text": text} for text in documents]),
        Kind("sentences", 0.05, [{"text": t, "detail": "sentences"} for t in mixed]),
        Kind("explanation", 0.04, [{"text": text, "explain": True} for text in short]),
        Kind("bad", 0.10, [{"txt": "x"}, {"text": ""}, {"text": 1}, {"threshold": 2}], 422),
    ]


def read(file: Path) -> list[Minute]:
    """The minutes so far; raises Failure if they cannot be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [Minute(**json.loads(line)) for line in lines]
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{file} cannot be read ({error}): delete it.") from None


def load(file: Path, folder: Path, rate: int, numbers: range) -> list[Minute]:
    """Start a server and load it for these minutes; each is appended to `file`."""
    every = kinds()
    server = isolated_server(ARCHIVE.parent, folder)
    minutes = []
    try:
        server.start()
        with ThreadPoolExecutor(THREADS) as pool, file.open("a", encoding="utf-8") as lines:
            for number in numbers:
                minutes.append(one_minute(server, every, rate, number, pool))
                lines.write(json.dumps(asdict(minutes[-1])) + "\n")
                lines.flush()
    finally:
        server.stop()
    return minutes


def one_minute(
    server: Server, every: Sequence[Kind], rate: int, number: int, pool: ThreadPoolExecutor
) -> Minute:
    """Send the requests of minute `number`, and then look at the processes."""
    due = schedule(rate, MINUTE, seed=number)
    draw = random.Random(number)
    chosen = draw.choices(every, weights=[kind.share for kind in every], k=len(due))
    url = f"{server.properties.inference}/predictions/{MODEL}"
    start = time.perf_counter()

    def send(kind: Kind, body: object, moment: float) -> float | str:
        """The latency in ms, or what went wrong."""
        try:
            answer = session().post(url, json=body, timeout=TIMEOUT_SECONDS)
        except requests.RequestException as error:
            return type(error).__name__
        if answer.status_code != kind.status:
            return f"{kind.name}: {answer.status_code}"
        return 1e3 * (time.perf_counter() - start - moment)

    sent = []
    for kind, moment in zip(chosen, due, strict=True):
        time.sleep(max(0.0, moment - (time.perf_counter() - start)))
        sent.append(pool.submit(send, kind, draw.choice(kind.bodies), moment))
    results = [future.result() for future in sent]
    latencies = [result for result in results if isinstance(result, float)]
    failures = Counter(result for result in results if isinstance(result, str))
    time.sleep(max(0.0, MINUTE - (time.perf_counter() - start)))
    return Minute(len(results), failures, *percentiles(latencies), **processes(server))  # type: ignore[arg-type]


_local = threading.local()


def session() -> requests.Session:
    """The kept connection of this thread, without a proxy."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.trust_env = False
    result: requests.Session = _local.session
    return result


def percentiles(latencies: Sequence[float]) -> tuple[float, float, float, float]:
    """The 50th, 95th and 99th percentile and the maximum; raises Failure if there are too few."""
    if len(latencies) < 2:
        raise Failure("Hardly any request was answered: raise the rate, or see the server's log.")
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return cuts[49], cuts[94], cuts[98], max(latencies)


def processes(server: Server) -> dict[str, object]:
    """Memory and descriptors of Java and its workers; raises Failure if Java has ended."""
    java = server.java()
    if java is None:
        raise Failure("TorchServe has ended.", server.last_lines())
    workers = java.children(recursive=True)
    return {
        "java": java.memory_full_info().uss / 2**20,
        "worker": sum(worker.memory_full_info().uss for worker in workers) / 2**20,
        "java_descriptors": java.num_fds(),
        "worker_descriptors": sum(map(psutil.Process.num_fds, workers)),
        "pids": [java.pid, *(worker.pid for worker in workers)],
    }


def table(minutes: Sequence[Minute]) -> str:
    """Some minutes from the first to the last, and the sums, as Markdown."""
    lines = [
        "| minute | p50 | p95 | p99 | worker | Java | descriptors: worker | Java |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    rows = min(ROWS, len(minutes))
    chosen = {round(i * (len(minutes) - 1) / max(1, rows - 1)) for i in range(rows)}
    for number in sorted(chosen):
        m = minutes[number]
        lines.append(
            f"| {number + 1} | {m.p50:.1f} ms | {m.p95:.1f} ms | {m.p99:.0f} ms "
            f"| {m.worker:.0f} MiB | {m.java:.0f} MiB "
            f"| {m.worker_descriptors} | {m.java_descriptors} |"
        )
    failures = sum((Counter(m.failures) for m in minutes), Counter())
    starts = len({tuple(m.pids) for m in minutes})
    return "\n".join(
        [
            *lines,
            "",
            f"{sum(m.requests for m in minutes):,} requests in {len(minutes)} minutes, "
            f"{failures.total()} wrong answers{f' {dict(failures)}' if failures else ''}; "
            f"{starts} set(s) of processes; the slowest answer took "
            f"{max(m.worst for m in minutes):.0f} ms.",
        ]
    )


def draw(minutes: Sequence[Minute], path: Path) -> None:
    """Latency, memory and descriptors against time."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    panels = {
        "latency, ms": ("p50", "p95", "p99"),
        "memory, MiB": ("worker", "java"),
        "descriptors": ("worker_descriptors", "java_descriptors"),
    }
    figure, axes = pyplot.subplots(len(panels), 1, sharex=True, figsize=(8, 7))
    for axis, (title, names) in zip(axes, panels.items(), strict=True):
        for name in names:
            values = [getattr(minute, name) for minute in minutes]
            axis.plot(range(1, len(minutes) + 1), values, label=name.replace("_", " "))
        axis.set_ylabel(title)
        axis.set_ylim(bottom=0)
        axis.legend(loc="lower right", fontsize="small")
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("minute")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
