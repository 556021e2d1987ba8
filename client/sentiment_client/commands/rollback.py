"""`sentiment rollback`: go back to a version that is still registered."""

import argparse

from sentiment_client import rollout
from sentiment_client.commands.deploy import add_waiting, finish
from sentiment_client.commands.server import management_client

ABOUT = "go back to the previous version without losing a request"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "version",
        nargs="?",
        metavar="VERSION",
        help="default: the only other one that is registered",
    )
    add_waiting(parser)


def run(args: argparse.Namespace) -> int:
    """Load the version and switch to it."""
    with management_client(args) as management:
        version = args.version or rollout.previous(management, args.model)
        rollout.start(management, version, args.model, wait=args.wait)
        finish(args, management, version)
    return 0
