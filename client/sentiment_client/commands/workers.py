"""`sentiment workers`: scale the served model."""

import argparse

from sentiment_client.commands.output import print_model
from sentiment_client.commands.server import management_client

ABOUT = "scale to COUNT workers and wait until they are ready"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument("count", type=int, metavar="COUNT", help="number of workers; 0 stops all")


def run(args: argparse.Namespace) -> int:
    """Scale, and print the model."""
    with management_client(args) as management:
        scaled = management.scale(args.count, model=args.model)
        print_model(scaled, args.json, is_default=True)
    return 0
