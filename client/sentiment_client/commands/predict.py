"""`sentiment predict`: score texts of the command line or of stdin."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from itertools import groupby
from typing import cast

from sentiment_client import _details
from sentiment_client._lines import arriving_lines
from sentiment_client._options import Options
from sentiment_client.commands.output import print_json
from sentiment_client.commands.server import inference_client
from sentiment_client.errors import SentimentError
from sentiment_client.models import Prediction, Result

ABOUT = "score texts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "texts", nargs="+", metavar="TEXT", help='text to score; "-" reads one per line from stdin'
    )
    parser.add_argument(
        "--labels", type=_labels, metavar="A,B", help="choose among these labels only"
    )
    parser.add_argument(
        "--threshold", type=float, metavar="SCORE", help="UNCERTAIN if the best score is below it"
    )
    parser.add_argument("--sentences", action="store_true", help="also score each sentence")
    parser.add_argument("--explain", action="store_true", help="also show the most telling words")


def run(args: argparse.Namespace) -> int:
    """Print one line per text; returns 1 if a text could not be scored."""
    failed = False
    options: Options = {
        "labels": args.labels,
        "threshold": args.threshold,
        "sentences": args.sentences,
        "explain": args.explain,
    }
    with inference_client(args) as client:
        for texts in _texts(args.texts):
            for text, result in zip(texts, client.predict_stream(texts, **options), strict=True):
                _print_result(text, result, args.json)
                failed |= isinstance(result, SentimentError)
            sys.stdout.flush()
    return int(failed)


def _labels(value: str) -> list[str]:
    return [label.strip() for label in value.split(",")]


def _texts(arguments: Sequence[str]) -> Iterator[list[str]]:
    """The texts, in lists; those from stdin in the groups in which they arrive."""
    for is_stdin, texts in groupby(arguments, lambda text: text == "-"):
        if not is_stdin:
            yield list(texts)
        elif sys.stdin is None:
            raise OSError("Standard input is closed: leave out '-', or redirect a file to it.")
        else:
            yield from arriving_lines(cast(BufferedIOBase, sys.stdin.buffer))


def _print_result(text: str, result: Result, as_json: bool) -> None:
    if as_json:
        print_json({"text": text} | _as_json(result))
    elif isinstance(result, Prediction):
        print(f"{result.label}\t{result.score:.4f}\t{text}")
        for line in _details.lines(text, result):
            print(f"\t{line}")
    else:
        print(f"error\t{result.message}\t{text}")


def _as_json(result: Result) -> dict[str, object]:
    if isinstance(result, Prediction):
        fields = dataclasses.asdict(result)
        return {name: value for name, value in fields.items() if value is not None}
    return {"error": result.message, "error_type": type(result).__name__}
