"""`sentiment ready`: whether to send requests to the server, as a probe asks."""

import argparse
import dataclasses

from sentiment_client.commands.output import print_json
from sentiment_client.commands.server import inference_client

ABOUT = "check that a worker answers and the server is not draining, for probes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--wait",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="keep trying for this long (default: 0)",
    )


def run(args: argparse.Namespace) -> int:
    """Print what is ready; the exit code is 1 if nothing is."""
    with inference_client(args) as client:
        ready = client.ready(wait=args.wait)
    if args.json:
        print_json(dataclasses.asdict(ready))
    else:
        print(f"{ready.model} {ready.version} is ready ({ready.engine})")
    return 0
