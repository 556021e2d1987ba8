"""`sentiment score`: score a whole data set into a file."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sentiment_client._base import MAX_CONCURRENCY
from sentiment_client.client import SentimentClient
from sentiment_client.commands.extras import load
from sentiment_client.commands.output import print_json
from sentiment_client.commands.server import inference_client
from sentiment_client.datasets.formats import FORMATS

ABOUT = "score a data set into a file; run it again to continue after a kill"
ARCHIVE = "model_store/sentiment.mar"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add(
        "input",
        metavar="INPUT",
        help="file to score: .csv, .tsv, .jsonl, .parquet, or .txt with one text per line; text "
        'formats also as .gz; "-" is stdin',
    )
    add("--output", required=True, metavar="FILE", help=".parquet, .csv, .tsv or .jsonl")
    add("--column", default="text", metavar="NAME", help="column of the texts (default: text)")
    add("--format", choices=FORMATS, help="format of INPUT (default: by its name)")
    add(
        "--failed",
        metavar="FILE",
        help="file for rows that cannot be scored, with the reason (default: OUTPUT's name with "
        '".failed" before the end)',
    )
    add(
        "--prefix",
        default="",
        metavar="TEXT",
        help="start of the names of the columns that are added (default: none)",
    )
    add("--overwrite", action="store_true", help="replace OUTPUT, and start again after a kill")
    add(
        "--concurrency",
        type=int,
        default=MAX_CONCURRENCY,
        metavar="COUNT",
        help=f"requests in flight to the server, of 32 texts each (default: {MAX_CONCURRENCY})",
    )
    add(
        "--engine",
        choices=("server", "local"),
        default="server",
        help="local scores without a server, in processes on all cores (default: server)",
    )
    add(
        "--archive",
        default=ARCHIVE,
        metavar="PATH",
        help=f"archive of the local engine; its code is run (default: {ARCHIVE})",
    )
    add(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="score with the local engine on Ray: one that is started here, or that of an address, "
        'which is host:port, or "auto" for the cluster that this machine is a node of',
    )
    add_processes(parser)


def add_processes(parser: argparse.ArgumentParser) -> None:
    """Add the option of the local engine."""
    parser.add_argument(
        "--processes",
        type=int,
        metavar="COUNT",
        help="processes of a local engine (default: one per core)",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and print a summary; returns 1 if a row could not be scored."""
    datasets: Any = load("datasets.score", "data")
    path = Path(args.output)
    failed = Path(args.failed) if args.failed else path.with_suffix(f".failed{path.suffix}")
    output = datasets.Output(path, failed, args.prefix, args.overwrite)
    output.check()
    if args.ray:
        args.engine = "local"
    options = {"--column": args.column, "--prefix": args.prefix, **_model(args)}
    source = datasets.Source(args.input, args.column, args.format)
    with source, _scorer(args, source) as scorer:
        summary = datasets.score(source, scorer, output, options)
    if args.json:
        files = {"output": str(path), "failed_rows": str(failed) if summary.failed else None}
        print_json({"rows": summary.rows, "failed": summary.failed, **files})
    else:
        print(f"{summary.rows - summary.failed:,} rows scored: {path}")
        if summary.failed:
            print(f"{summary.failed:,} rows failed: {failed}")
    return int(summary.failed > 0)


def _model(args: argparse.Namespace) -> dict[str, object]:
    """What tells models apart, for a run that is continued."""
    if args.engine == "server":
        return {"--engine": args.engine, "--model": args.model}
    archive: Any = load("datasets.archive", "local")
    return {"--engine": args.engine, "The archive": archive.identity(Path(args.archive))}


@contextmanager
def _scorer(args: argparse.Namespace, source: Any) -> Iterator[Any]:
    archive = Path(args.archive)
    if args.ray:
        _check_processes(args)
        cluster: Any = load("datasets.cluster", "ray")
        with cluster.ray_scorer(source, archive, args.ray, args.processes) as scorer:
            yield scorer
        return
    stream: Any = load("datasets.stream", "data")
    local = args.engine == "local"
    with local_client(args, archive) if local else _server_client(args) as client:
        yield stream.scorer(client.predict_stream)


def _server_client(args: argparse.Namespace) -> SentimentClient:
    return inference_client(args, max_concurrency=args.concurrency)


@contextmanager
def local_client(args: argparse.Namespace, archive: Path) -> Iterator[SentimentClient]:
    """A client of the engine in an archive."""
    _check_processes(args)
    local: Any = load("datasets.local", "local")
    with local.local_client(archive, args.processes) as client:
        yield client


def _check_processes(args: argparse.Namespace) -> None:
    if args.processes is not None and args.processes < 1:
        raise ValueError("--processes is at least 1.")
