"""`make bench`: measure, keep, report.

python -m benchmarks [--quick] [--servers "mosec service"] [--rounds 3] [--seconds 5]
                     [--texts "file ..."] [--resume]
"""

import argparse
import datetime
import shlex
import signal
import sys
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.load import loads, texts
from benchmarks.load.arguments import names_of, positive
from benchmarks.load.closed_loop import check_wrk
from benchmarks.process import ARCHIVE, check_archive
from benchmarks.report import markdown as report
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.servers import BY_NAME, SERVERS
from scripts.failure import Failure
from scripts.paths import ROOT

BUNDLED = "written for this project"


def main() -> int:
    """Read the arguments and measure."""
    args = arguments()
    # So that what was started is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        check_wrk()
        check_archive(args.archive)
        corpora = texts.read(args.texts)
        results = Results.read(args.results) if args.resume else plan(args, corpora)
        if set(corpora) != {load.corpus for load in results.loads}:
            raise Failure("The run that was interrupted had other texts: name the same TEXTS.")
        # What failed may have been the interruption.
        results.broken.clear()
        results.write(args.results)
        warm_seconds = 1 if args.quick else 8  # Java compiles what it has run for a while
        Run(results, corpora, args.results, args.archive, warm_seconds).go()
        print(f"Wrote {report.write(results, args.output)}")
    except Failure as failure:
        print(*filter(None, (failure.log, failure)), sep="\n", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted: the same with RESUME=1 goes on.", file=sys.stderr)
        return 130
    return 0


def arguments() -> argparse.Namespace:
    """The command line; lists may come in one word each, as make has them."""
    parser = argparse.ArgumentParser(description="Measure this service beside others.")
    parser.add_argument("--quick", action="store_true", help="end within five minutes")
    parser.add_argument(
        "--servers",
        type=names_of(BY_NAME),
        default=list(BY_NAME),
        help="names, of " + ", ".join(BY_NAME),
    )
    parser.add_argument("--rounds", type=positive, help="default: 3, or 1 for the quick form")
    parser.add_argument(
        "--seconds", type=positive, help="of a closed loop; an open one takes twice it"
    )
    parser.add_argument("--texts", default="", help="files with one text a line")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted")
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--results", type=Path, default=report.RESULTS)
    parser.add_argument("--output", type=Path, default=report.OUTPUT)
    args = parser.parse_args()
    args.texts = [Path(name) for name in shlex.split(args.texts)]
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (1 if args.quick else 5)
    return args


def plan(args: argparse.Namespace, corpora: dict[str, list[str]]) -> Results:
    """A run with nothing measured."""
    choose = loads.quick if args.quick else loads.full
    about: dict[str, Any] = {
        "command": command(args),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "quick": args.quick,
        "machine": machine.describe(),
        "texts": texts.lengths(corpora, ROOT / "model"),
        "source": {path.stem: texts.source(path) for path in args.texts}
        or dict.fromkeys(corpora, BUNDLED),
    }
    named = [server.name for server in SERVERS if server.name in args.servers]
    return Results(about, choose(list(corpora), args.seconds), named, args.rounds)


def command(args: argparse.Namespace) -> str:
    """What to type for the same run."""
    words = ["make bench", *(["QUICK=1"] if args.quick else [])]
    if set(args.servers) != set(BY_NAME):
        words.append(f'SERVERS="{" ".join(args.servers)}"')
    if args.texts:
        words.append(f'TEXTS="{" ".join(path.name for path in args.texts)}"')
    return " ".join([*words, f"ROUNDS={args.rounds}", f"SECONDS={args.seconds}"])


if __name__ == "__main__":
    sys.exit(main())
