"""The `sentiment` command."""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO, cast

from sentiment_client._version import __version__
from sentiment_client.commands import (
    compare,
    deploy,
    predict,
    ready,
    report,
    rollback,
    score,
    status,
    versions,
    workers,
)
from sentiment_client.errors import SentimentError, Unauthorized

EPILOG = """\
examples:
  sentiment predict "A gripping film." "A mess."
  sentiment predict --json - < reviews.txt
  sentiment score reviews.csv --column review --output scored.parquet
  sentiment report scored.parquet --column review --by product
  sentiment compare localhost:8080 localhost:9080 texts.csv --max-flips 1%
  sentiment deploy sentiment-2.0.mar --check texts.csv --max-flips 1%
  sentiment rollback
  sentiment ready --wait 60
  sentiment workers 2
  sentiment status --management 10.0.0.7:8081

Options may come before or after the command. An empty variable counts as unset.
exit codes: 0 success, 1 failure (even of one text), 2 wrong arguments, 130 Ctrl-C
"""

# Modules with ABOUT, add_arguments(parser), and run(args), which returns the exit code.
COMMANDS = {
    "predict": predict,
    "score": score,
    "report": report,
    "compare": compare,
    "deploy": deploy,
    "rollback": rollback,
    "versions": versions,
    "ready": ready,
    "workers": workers,
    "status": status,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. A failure is one sentence on stderr."""
    with _retries_on_stderr():
        try:
            if sys.stdout is None:
                raise OSError("Standard output is closed: redirect it, as with > results.txt.")
            _write_anything(sys.stdout)
            try:
                args = parsers()["sentiment"].parse_args(arguments, _defaults())
                exit_code: int = args.run(args)
            finally:
                sys.stdout.flush()
        except Unauthorized as error:
            return _failure(f"{error} Pass TorchServe's key_file.json with --token-file.")
        except (SentimentError, ValueError, ImportError) as error:
            return _failure(str(error))
        except BrokenPipeError:  # the reader has closed the pipe, as `head` does
            _discard_output()
            return 1
        except OSError as error:
            _discard_output()
            return _failure(_sentence(error))
        except KeyboardInterrupt:  # the usual end of `tail -f | sentiment predict -`
            return 130
    return exit_code


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

    children = {"sentiment": top}
    for name, module in COMMANDS.items():
        about = module.ABOUT
        child = parser(
            commands.add_parser, name, help=about, description=f"{about[0].upper()}{about[1:]}."
        )
        child.set_defaults(run=module.run)
        module.add_arguments(child)
        children[name] = child
    return children


def _defaults() -> argparse.Namespace:
    variables = {"address": "ADDRESS", "management": "MANAGEMENT", "token_file": "TOKEN_FILE"}
    environment = {name: _variable(f"SENTIMENT_{value}") for name, value in variables.items()}
    return argparse.Namespace(model="sentiment", timeout=60.0, json=False, **environment)


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _formatter(prog: str) -> argparse.HelpFormatter:
    return argparse.RawDescriptionHelpFormatter(prog, width=88)


def _write_anything(stream: TextIO) -> None:
    """Escape characters that the stream's encoding lacks, instead of failing."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="backslashreplace")


def _sentence(error: OSError) -> str:
    if not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


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
