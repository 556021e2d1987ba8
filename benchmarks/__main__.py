"""`make bench`: compare this service with other servers, and write the report.

python -m benchmarks [--quick] [--servers mosec service] [--rounds 3] [--seconds 5]
                     [--texts FILE ...] [--resume]
"""

import argparse
import datetime
import sys
from pathlib import Path
from typing import Any

from benchmarks import environments, machine
from benchmarks.load import loads, texts
from benchmarks.load.arguments import add_texts, positive
from benchmarks.load.prerequisites import check_archive, check_wrk
from benchmarks.process import exit_on_sigterm
from benchmarks.report import markdown
from benchmarks.results import Results
from benchmarks.run import Run
from benchmarks.servers import BY_NAME, SERVERS
from scripts.failure import Failure, reports_failures
from scripts.paths import ARCHIVE, MODEL

# The others need gigabytes of packages.
DEFAULT = [server.name for server in SERVERS if not server.own_packages]

BUNDLED = "written for this project"


@reports_failures(interrupted="Interrupted: the same command with RESUME=1 continues.")
def main() -> None:
    """Read the arguments and measure."""
    args = arguments()
    exit_on_sigterm()
    check_wrk()
    check_archive(args.archive)
    corpora = texts.read(args.texts)
    results = Results.read(args.results) if args.resume else plan(args, corpora)
    if set(corpora) != {load.corpus for load in results.loads}:
        raise Failure("The interrupted run used different texts: pass the same TEXTS.")
    environments.install([BY_NAME[name] for name in results.servers])
    # A server may have failed because the run was interrupted.
    results.broken.clear()
    results.write(args.results)
    # Java compiles code while it runs, so the first seconds are slower.
    warm_up_seconds = 1 if args.quick else 8
    Run(results, corpora, args.results, args.archive, warm_up_seconds).measure_all()
    print(f"Wrote {markdown.write(results, args.output)}")


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare this service with other servers."
    )
    parser.add_argument("--quick", action="store_true", help="light loads: about five minutes")
    parser.add_argument(
        "--servers",
        nargs="+",
        choices=list(BY_NAME),
        metavar="NAME",
        default=DEFAULT,
        help="any of " + ", ".join(BY_NAME) + " (default: those without packages of their own)",
    )
    parser.add_argument("--rounds", type=positive, help="default: 3, or 1 with --quick")
    parser.add_argument(
        "--seconds",
        type=positive,
        help="per closed loop; open loops take twice as long (default: 5, or 1 with --quick)",
    )
    add_texts(parser)
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--archive", type=Path, default=ARCHIVE, metavar="FILE")
    parser.add_argument("--results", type=Path, default=markdown.RESULTS, metavar="FILE")
    parser.add_argument("--output", type=Path, default=markdown.OUTPUT, metavar="FOLDER")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.seconds = args.seconds or (1 if args.quick else 5)
    return args


def plan(args: argparse.Namespace, corpora: dict[str, list[str]]) -> Results:
    """Return the results of a run that has measured nothing yet."""
    choose = loads.quick if args.quick else loads.full
    about: dict[str, Any] = {
        "command": command(args),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "quick": args.quick,
        "machine": machine.describe(),
        "texts": texts.lengths(corpora, MODEL),
        "source": {path.stem: texts.source(path) for path in args.texts}
        or dict.fromkeys(corpora, BUNDLED),
    }
    names = [server.name for server in SERVERS if server.name in args.servers]
    return Results(about, choose(list(corpora), args.seconds), names, args.rounds)


def command(args: argparse.Namespace) -> str:
    """Return the `make` command that repeats this run."""
    words = ["make bench", *(["QUICK=1"] if args.quick else [])]
    if set(args.servers) != set(DEFAULT):
        words.append(f'SERVERS="{" ".join(args.servers)}"')
    if args.texts:
        words.append(f'TEXTS="{" ".join(path.name for path in args.texts)}"')
    return " ".join([*words, f"ROUNDS={args.rounds}", f"SECONDS={args.seconds}"])


if __name__ == "__main__":
    sys.exit(main())
