"""`make tune`: find the settings that serve best here, and write them into the configuration.

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
from benchmarks.load.arguments import positive
from benchmarks.load.closed_loop import check_wrk
from benchmarks.process import ARCHIVE, check_archive
from scripts.failure import Failure
from scripts.paths import ROOT
from tuning import report
from tuning.progress import FORM, Progress
from tuning.search import ROUNDS, Found, search
from tuning.settings import sweeps, trials
from tuning.target import Target, milliseconds
from tuning.trial import SHIPPED, Trials

# Of a load. A ladder of connections has several, so each is shorter.
SECONDS, SECONDS_OF_A_STEP = 4, 2
# What others may take of the machine before it is worth a word, in per cent.
BUSY = 15.0
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Read the arguments, search, report, write."""
    args = arguments()
    for number in ENDS:
        signal.signal(number, interrupt)
    try:
        tune(Target(args.p99), args.texts, args.seconds, args.archive)
    except Failure as failure:
        print(*filter(None, (failure.log, failure)), sep="\n", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Nothing can be tuned: {error}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: nothing was written.", file=sys.stderr)
        return 130
    return 0


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tuning", description="Find the settings that serve best on this machine."
    )
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--p99", type=milliseconds, help="most texts a second with a p99 of at most this, as 50ms"
    )
    target.add_argument("--throughput", action="store_true", help="most texts a second")
    parser.add_argument("--texts", type=Path, help="file with one text a line, like yours")
    parser.add_argument("--seconds", type=positive, help="of each load")
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    args = parser.parse_args()
    if args.seconds is None:
        args.seconds = SECONDS if args.throughput else SECONDS_OF_A_STEP
    return args


def tune(target: Target, file: Path | None, seconds: int, archive: Path) -> None:
    """All of it; raises Failure."""
    check_wrk()
    check_archive(archive)
    start = SHIPPED.read()
    # Of the bundled texts the sentences, which come first.
    sent = next(iter(texts.read([file] if file else []).values()))
    plan = sweeps(len(os.sched_getaffinity(0)), psutil.virtual_memory().available)
    busy = psutil.cpu_percent(interval=1.0)
    if busy > BUSY:
        print(f"Other programs take {busy:.0f} % of this machine: the figures will suffer.")
    print(f"Tuning for {target}; now {start}", flush=True)
    with tempfile.TemporaryDirectory(prefix="tune-") as temp:
        measure = Trials(archive, Path(temp) / "run", texts.bodies(sent, 1), target, seconds)
        bar: tqdm[Any]
        with tqdm(total=trials(start, plan) + 2 * ROUNDS, bar_format=FORM) as bar:
            progress = Progress(measure.measure, target, bar)
            found = search(start, plan, target, progress)
            bar.total = bar.n  # where nothing had to be measured again
    winner = found.winner if target.held(found.figures) else None
    print(report.table(progress.tried, start, winner), end="\n\n")
    if warning := report.unsteady(progress.tried):
        print(warning)
    conclude(found, progress, target)


def conclude(found: Found, progress: Progress, target: Target) -> None:
    """Write the winner, if there is one, and say so; raises Failure where the target is missed."""
    start = progress.tried[0][0]
    if not target.held(found.figures):
        raise report.missed(progress.tried, target)
    if found.winner == start:
        print(report.kept(found))
        return
    written = SHIPPED.write(found.winner)
    print(report.won(found, start, written, ROOT))


def interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, whatever the signal; another one shall not cut the end short."""
    for each in ENDS:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
