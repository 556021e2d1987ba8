"""`sentiment compare`: what changes when one model replaces another."""

import argparse
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from sentiment_client.client import SentimentClient
from sentiment_client.commands.extras import load
from sentiment_client.commands.output import print_json
from sentiment_client.commands.score import add_processes, local_client
from sentiment_client.commands.server import inference_client
from sentiment_client.datasets.formats import FORMATS

ABOUT = "compare two models on a data set, before one replaces the other"
# Characters of a text that are printed; --json has all.
_WIDTH = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add("a", metavar="A", help="model in use: the address of its server, or an archive")
    add("b", metavar="B", help="model that may replace it")
    add("input", metavar="INPUT", help='texts, in a file as for score; "-" is stdin')
    add("--column", default="text", metavar="NAME", help="column of the texts (default: text)")
    add("--format", choices=FORMATS, help="format of INPUT (default: by its name)")
    add("--by", action="append", metavar="NAME", help="also show slices by this column")
    add("--worst", type=int, default=10, metavar="COUNT", help="examples to show (default: 10)")
    add(
        "--max-flips",
        type=limit,
        metavar="LIMIT",
        help='exit with code 1 if more rows change their label: a number, or as in "0.5%%"',
    )
    add_processes(parser)


def limit(value: str) -> tuple[float, bool]:
    """A number, and whether it is a percentage; raises ValueError.

    >>> limit("25"), limit("0.5%")
    ((25.0, False), (0.5, True))
    """
    return float(value.removesuffix("%")), value.endswith("%")


def run(args: argparse.Namespace) -> int:
    """Print the comparison; returns 1 if there are more flips than allowed."""
    datasets: Any = load("datasets.compare", "data")
    source: Any = load("datasets.source", "data")
    with ExitStack() as stack:
        texts = stack.enter_context(source.Source(args.input, args.column, args.format))
        a, b = (
            stack.enter_context(_client(args, target)).predict_stream for target in (args.a, args.b)
        )
        comparison = datasets.compare(texts.groups(), a, b, by=args.by or (), worst=args.worst)
    if not comparison.total.rows:
        raise ValueError("The input has no rows.")
    return int(not show(comparison, args))


def show(comparison: Any, args: argparse.Namespace) -> bool:
    """Print a comparison; whether no more labels change than --max-flips allows."""
    if args.json:
        print_json(comparison.as_dict())
    else:
        _print(comparison)
    if args.max_flips is None:
        return True
    number, is_percentage = args.max_flips
    most = number / 100 * comparison.total.rows if is_percentage else number
    return bool(comparison.total.flips <= most)


def _client(args: argparse.Namespace, target: str) -> AbstractContextManager[SentimentClient]:
    """A client of a server, or of an archive if `target` is a path."""
    if target.endswith(".mar") or Path(target).exists():
        return local_client(args, Path(target))
    return inference_client(args, address=target)


def _print(comparison: Any) -> None:
    total = comparison.total.as_dict()
    print(f"{total['flips']:,} of {total['rows']:,} labels change ({total['flip_rate']:.2%})")
    quantiles = ", ".join(f"p{q} {comparison.quantile(q / 100):.3f}" for q in (50, 95, 99))
    print(f"scores change by {total['mean_shift']:.4f} on average ({quantiles})")
    for (a, b), rows in comparison.transitions.most_common():
        if a != b:
            print(f"  {a} -> {b}\t{rows:,}")
    for name, slices in comparison.slices.items():
        print(f"\n{name}\trows\tflips\tflip rate\tmean shift")
        for value, part in sorted(slices.items(), key=lambda item: -item[1].flips):
            shown = part.as_dict()
            print(
                f"{value}\t{shown['rows']:,}\t{shown['flips']:,}\t{shown['flip_rate']:.2%}\t"
                f"{shown['mean_shift']:.4f}"
            )
    if comparison.worst:
        print("\nworst examples: A, B, change of A's score, text")
    for pair in comparison.worst:
        text = " ".join(pair.text.split())
        shown = text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
        print(f"{pair.label_a}\t{pair.label_b}\t{pair.shift:+.3f}\t{shown}")
