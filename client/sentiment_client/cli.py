"""The `sentiment` command."""

import argparse
import contextlib
import dataclasses
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from io import BufferedIOBase
from itertools import groupby
from typing import Any, TextIO, cast

from sentiment_client._address import address_or_default, base_address, is_loopback
from sentiment_client._lines import arriving_lines
from sentiment_client._version import __version__
from sentiment_client.client import SentimentClient
from sentiment_client.errors import SentimentError, Unauthorized
from sentiment_client.management import ManagementClient
from sentiment_client.models import Model, Prediction, Result

EPILOG = """\
examples:
  sentiment predict "A gripping film." "A mess."
  sentiment predict --json - < reviews.txt
  sentiment workers 2
  sentiment status --management 10.0.0.7:8081

Options may come before or after the command. An empty variable counts as unset.
exit codes: 0 success, 1 failure (even of one text), 2 wrong arguments, 130 Ctrl-C
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. A failure is one sentence on stderr."""
    with _retries_on_stderr():
        try:
            if sys.stdout is None:
                raise OSError("Standard output is closed: redirect it, as with > results.txt.")
            _write_anything(sys.stdout)
            try:
                args = parsers()["sentiment"].parse_args(arguments, _defaults())
                status: int = args.run(args)
            finally:
                sys.stdout.flush()
        except Unauthorized as error:
            return _failure(f"{error} Pass TorchServe's key_file.json with --token-file.")
        except (SentimentError, ValueError) as error:
            return _failure(str(error))
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            _discard_output()
            return 1
        except OSError as error:
            _discard_output()
            return _failure(error.strerror or str(error))
        except KeyboardInterrupt:  # the usual end of `tail -f | sentiment predict -`
            return 130
    return status


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The main parser, named "sentiment", and those of its subcommands, by name."""
    # No defaults here: a subcommand's default would overwrite an option given before it.
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    add = options.add_argument
    add("--address", help="inference address ($SENTIMENT_ADDRESS; default: http://127.0.0.1:8080)")
    add(
        "--management",
        metavar="ADDRESS",
        help="management address ($SENTIMENT_MANAGEMENT; default: http://127.0.0.1:8081 if the "
        "inference address is on this machine)",
    )
    add("--model", metavar="NAME", help="name of the served model (default: sentiment)")
    add("--token-file", metavar="PATH", help="TorchServe's key_file.json ($SENTIMENT_TOKEN_FILE)")
    add("--timeout", type=float, metavar="SECONDS", help="timeout per attempt (default: 60)")
    add("--json", action="store_true", help="print JSON, one object per line")

    def parser(create: Callable[..., Any], *args: str, **texts: str) -> argparse.ArgumentParser:
        result = create(*args, parents=[options], formatter_class=_formatter, **texts)
        return cast(argparse.ArgumentParser, result)

    top = parser(
        argparse.ArgumentParser,
        prog="sentiment",
        description="Query and manage a text classifier served by TorchServe.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=f"sentiment-client {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", title="commands")

    def command(name: str, about: str, run: Callable[..., int]) -> argparse.ArgumentParser:
        child = parser(
            commands.add_parser, name, help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        child.set_defaults(run=run)
        return child

    predict = command("predict", "score texts", _predict)
    predict.add_argument(
        "texts", nargs="+", metavar="TEXT", help='text to score; "-" reads one per line from stdin'
    )
    workers = command("workers", "scale to COUNT workers and wait until they are ready", _workers)
    workers.add_argument("count", type=int, metavar="COUNT", help="number of workers; 0 stops all")
    status = command("status", "show the model, its workers and its queue", _status)
    return {"sentiment": top, "predict": predict, "workers": workers, "status": status}


def _defaults() -> argparse.Namespace:
    variables = {"address": "ADDRESS", "management": "MANAGEMENT", "token_file": "TOKEN_FILE"}
    environment = {name: _variable(f"SENTIMENT_{value}") for name, value in variables.items()}
    return argparse.Namespace(model="sentiment", timeout=60.0, json=False, **environment)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=88)


def _predict(args: argparse.Namespace) -> int:
    failed = False
    with SentimentClient(
        args.address,
        model=args.model,
        timeout=(3.05, args.timeout),
        token_file=args.token_file or None,
        management=_management_address(args),
    ) as client:
        for texts in _texts(args.texts):
            for text, result in zip(texts, client.predict_stream(texts), strict=True):
                _print_result(text, result, args.json)
                failed |= isinstance(result, SentimentError)
            sys.stdout.flush()
    return int(failed)


def _workers(args: argparse.Namespace) -> int:
    with _management(args) as management:
        scaled = management.scale(args.count, model=args.model)
        _print_model(scaled, args.json, is_default=True)
    return 0


def _status(args: argparse.Namespace) -> int:
    with _management(args) as management:
        default = management.default_version(args.model)
        for model in management.describe_all(args.model):
            _print_model(model, args.json, is_default=model.version == default)
    return 0


def _management(args: argparse.Namespace) -> ManagementClient:
    address = _management_address(args)
    if address is None:
        raise ValueError("Pass the server's management address with --management.")
    timeout = (3.05, args.timeout)
    return ManagementClient(address, timeout=timeout, token_file=args.token_file or None)


def _management_address(args: argparse.Namespace) -> str | None:
    """The management address; None if only the inference address is known, on another machine."""
    inference = address_or_default(args.address, "SENTIMENT_ADDRESS", "127.0.0.1")
    if args.management or not is_loopback(base_address(inference, 8080)):
        return args.management or None
    return "http://127.0.0.1:8081"


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
        _print_json({"text": text} | _as_json(result))
    elif isinstance(result, Prediction):
        print(f"{result.label}\t{result.score:.4f}\t{text}")
    else:
        print(f"error\t{result.message}\t{text}")


def _as_json(result: Result) -> dict[str, object]:
    if isinstance(result, Prediction):
        return dataclasses.asdict(result)
    return {"error": result.message, "error_type": type(result).__name__}


def _print_json(fields: dict[str, object]) -> None:
    try:
        line = json.dumps(fields, ensure_ascii=False)
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # not in the output encoding, or a lone surrogate
        line = json.dumps(fields)
    print(line)


def _print_model(model: Model, as_json: bool, *, is_default: bool) -> None:
    if as_json:
        _print_json(dataclasses.asdict(model) | {"default": is_default})
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


def _write_anything(stream: TextIO) -> None:
    """Escape characters that the stream's encoding lacks, instead of failing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def _failure(sentence: str) -> int:
    if sys.stderr is not None:  # with None, print() would write to stdout
        with contextlib.suppress(OSError):
            print(f"sentiment: {sentence}", file=sys.stderr)
    return 1


def _discard_output() -> None:
    """Send unread output to /dev/null, so that Python's flush at exit succeeds."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _retries_on_stderr() -> Iterator[None]:
    """Print the client's log messages on stderr, prefixed with the command's name."""
    logger = logging.getLogger("sentiment_client")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("sentiment: %(message)s"))
    level = logger.level
    if sys.stderr is not None:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
