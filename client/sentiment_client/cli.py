"""The `sentiment` command.

sentiment predict "A gripping film." ["Another." ...]    "-" reads one text a line
sentiment workers 2
sentiment status
"""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from itertools import groupby
from typing import cast

from sentiment_client._lines import arriving_lines
from sentiment_client.client import SentimentClient
from sentiment_client.errors import SentimentError, Unauthorized
from sentiment_client.management import ManagementClient
from sentiment_client.models import Model, Prediction, Result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0, or 1 when anything failed, after a sentence on stderr."""
    args = _parser().parse_args(arguments)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
    except Unauthorized as error:
        print(f"sentiment: {error} Name TorchServe's tokens with --token-file.", file=sys.stderr)
        return 1
    except (SentimentError, ValueError) as error:
        print(f"sentiment: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:  # how `tail -f | sentiment predict -` ends
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sentiment", description="Ask and steer a text classifier served by TorchServe."
    )
    environment = os.environ.get
    parser.add_argument(
        "--address",
        default=environment("SENTIMENT_ADDRESS", "http://127.0.0.1:8080"),
        help="inference address ($SENTIMENT_ADDRESS; default: %(default)s)",
    )
    parser.add_argument(
        "--management",
        default=environment("SENTIMENT_MANAGEMENT", "http://127.0.0.1:8081"),
        help="management address ($SENTIMENT_MANAGEMENT; default: %(default)s)",
    )
    parser.add_argument("--model", default="sentiment", help="default: %(default)s")
    parser.add_argument(
        "--token-file",
        default=environment("SENTIMENT_TOKEN_FILE"),
        help="TorchServe's key_file.json ($SENTIMENT_TOKEN_FILE)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    predict = commands.add_parser("predict", help="score texts")
    predict.add_argument("texts", nargs="+", metavar="TEXT", help='"-": one a line from stdin')
    predict.set_defaults(run=_predict)

    workers = commands.add_parser("workers", help="run so many workers, and wait for them")
    workers.add_argument("count", type=int)
    workers.set_defaults(run=_workers)

    status = commands.add_parser("status", help="the model, its workers and its queue")
    status.set_defaults(run=_status)
    for command in (predict, workers, status):  # as well as before the command
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    return parser


def _predict(args: argparse.Namespace) -> int:
    failed = False
    with SentimentClient(
        args.address, model=args.model, token_file=args.token_file, management=args.management
    ) as client:
        for texts in _texts(args.texts):
            for text, result in zip(texts, client.predict_stream(texts), strict=True):
                _print_result(text, result, args.json)
                failed |= isinstance(result, SentimentError)
            sys.stdout.flush()
    return int(failed)


def _workers(args: argparse.Namespace) -> int:
    with ManagementClient(args.management, token_file=args.token_file) as management:
        scaled = management.scale(args.count, model=args.model)
        _print_model(scaled, args.json, is_default=True)
    return 0


def _status(args: argparse.Namespace) -> int:
    with ManagementClient(args.management, token_file=args.token_file) as management:
        default = management.default_version(args.model)
        for model in management.describe_all(args.model):
            _print_model(model, args.json, is_default=model.version == default)
    return 0


def _texts(written: Sequence[str]) -> Iterator[list[str]]:
    """The texts, in lists of those that there are by now."""
    for is_stdin, texts in groupby(written, lambda text: text == "-"):
        if is_stdin:
            yield from arriving_lines(cast(BufferedIOBase, sys.stdin.buffer))
        else:
            yield list(texts)


def _print_result(text: str, result: Result, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"text": text} | _as_json(result)))
    elif isinstance(result, Prediction):
        print(f"{result.label}\t{result.score:.4f}\t{text}")
    else:
        print(f"error\t{result.message}\t{text}")


def _as_json(result: Result) -> dict[str, object]:
    if isinstance(result, Prediction):
        return dataclasses.asdict(result)
    return {"error": result.message, "error_type": type(result).__name__}


def _print_model(model: Model, as_json: bool, *, is_default: bool) -> None:
    if as_json:
        print(json.dumps(dataclasses.asdict(model) | {"default": is_default}))
        return
    default = ", default" if is_default else ""
    print(
        f"{model.name} {model.version} ({model.archive}{default}): "
        f"{model.ready_workers} of {len(model.workers)} workers ready, "
        f"{model.pending_requests} of {model.queue_size} queue places taken, "
        f"batches of up to {model.batch_size} after {model.max_batch_delay} ms"
    )
    for worker in model.workers:
        print(f"  worker {worker.id}  pid {worker.pid}  {worker.status.lower()}")
