"""`sentiment status`: describe the served model."""

import argparse

from sentiment_client.commands.output import print_model
from sentiment_client.commands.server import management_client

ABOUT = "show the model, its workers and its queue"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the common options name the model."""


def run(args: argparse.Namespace) -> int:
    """Print every version of the model."""
    with management_client(args) as management:
        default = management.default_version(args.model)
        for model in management.describe_all(args.model):
            print_model(model, args.json, is_default=model.version == default)
    return 0
