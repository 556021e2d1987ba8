"""`sentiment report`: one HTML file about a scored data set."""

import argparse
from pathlib import Path
from typing import Any

from sentiment_client.commands.extras import load
from sentiment_client.datasets.formats import FORMATS

ABOUT = "write an HTML report about a data set that was scored"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add("input", metavar="INPUT", help="file that score wrote")
    add("--output", metavar="FILE", help="file to write (default: INPUT's name with .html)")
    add("--column", default="text", metavar="NAME", help="column of the texts (default: text)")
    add("--format", choices=FORMATS, help="format of INPUT (default: by its name)")
    add("--prefix", default="", metavar="TEXT", help="the --prefix of score, if it had one")
    add("--time", metavar="NAME", help="show the trend over this column of dates or times")
    add("--by", action="append", metavar="NAME", help="show groups by this column; repeatable")


def run(args: argparse.Namespace) -> int:
    """Write the report, and print its path."""
    if args.input == "-" and not args.output:
        raise ValueError("Name the report of stdin with --output.")
    source: Any = load("datasets.source", "data")
    statistics = load("datasets.statistics", "data").Statistics(
        args.prefix, args.time, args.by or ()
    )
    with source.Source(args.input, args.column, args.format) as rows:
        for group in rows.groups():
            statistics.add(group)
    if not statistics.rows:
        raise ValueError("The input has no rows.")
    path = Path(args.output) if args.output else Path(args.input).with_suffix(".html")
    title = f"Report on {Path(args.input).name}"
    path.write_text(load("datasets.report", "data").report(statistics, title), encoding="utf-8")
    print(path)
    return 0
