"""`make tune`: find the best settings for this machine, and write them to the configuration.

python -m tuning (--p99 50ms | --throughput) [--texts FILE] [--seconds 4]
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from tqdm import tqdm

from benchmarks.load import texts
from benchmarks.load.arguments import milliseconds, positive
from benchmarks.load.prerequisites import check_archive, check_wrk
from scripts.failure import reports_failures
from scripts.paths import ARCHIVE, ROOT
from tuning import report
from tuning.progress import BAR_FORMAT, Progress
from tuning.search import ROUNDS, SearchResult, search
from tuning.settings import sweeps, trials
from tuning.target import Target
from tuning.trial import SHIPPED, Trials

# Seconds per load. A p99 needs one load per number of connections, so each is shorter.
SECONDS, SECONDS_PER_STEP = 4, 2
# CPU usage of other programs, in per cent, above which a warning is printed.
BUSY = 15.0
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@reports_failures(os_error="Nothing can be tuned", interrupted="Interrupted: nothing was written.")
def main() -> None:
    """Read the arguments, search, report, write."""
    args = arguments()
    for number in INTERRUPTS:
        signal.signal(number, interrupt)
    tune(Target(args.p99), args.texts, args.seconds, args.archive)


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tuning", description="Find the best settings for this machine."
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--p99",
        type=milliseconds,
        metavar="TIME",
        help="highest throughput with a 99th percentile of latency of at most TIME, as in 50ms",
    )
    target.add_argument(
        "--throughput", action="store_true", help="highest throughput, whatever the latency"
    )
    parser.add_argument(
        "--texts", type=Path, metavar="FILE", help="file with one text per line, like yours"
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        help=f"per load (default: {SECONDS}, or {SECONDS_PER_STEP} with --p99)",
    )
    parser.add_argument("--archive", type=Path, default=ARCHIVE, metavar="FILE")
    args = parser.parse_args()
    if args.seconds is None:
        args.seconds = SECONDS if args.throughput else SECONDS_PER_STEP
    return args


def tune(target: Target, file: Path | None, seconds: int, archive: Path) -> None:
    """Search, print the report and write the winner; raises Failure if the target is missed."""
    check_wrk()
    check_archive(archive)
    start = SHIPPED.read()
    # The first of the bundled corpora has the sentences.
    corpus = next(iter(texts.read([file] if file else []).values()))
    plan = sweeps(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        print(f"Other programs use {busy:.0f} % of the CPU, which distorts the measurements.")
    print(f"Tuning for {target}; the current settings are {start}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tune-") as temp:
        measure = Trials(archive, Path(temp) / "run", texts.bodies(corpus, 1), target, seconds)
        bar: tqdm[Any]
        with tqdm(total=trials(start, plan) + 2 * ROUNDS, bar_format=BAR_FORMAT) as bar:
            progress = Progress(measure.measure, target, bar)
            result = search(start, plan, target, progress)
            bar.total = bar.n  # fewer if nothing had to be measured again
    winner = result.winner if target.holds(result.measurement) else None
    print(report.table(progress.trials, start, winner), end="\n\n")
    if warning := report.unsteady(progress.trials):
        print(warning)
    conclude(result, progress, target)


def conclude(result: SearchResult, progress: Progress, target: Target) -> None:
    """Write and print the winner, if there is one; raises Failure if the target is missed."""
    start = progress.trials[0][0]
    if not target.holds(result.measurement):
        raise report.missed(progress.trials, target)
    if result.winner == start:
        print(report.kept(result))
        return
    written = SHIPPED.write(result.winner)
    print(report.won(result, start, written, ROOT))


def interrupt(number: int, frame: FrameType | None) -> None:
    """Stop as after Ctrl-C, and ignore further signals during the shutdown."""
    for signal_number in INTERRUPTS:
        signal.signal(signal_number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
