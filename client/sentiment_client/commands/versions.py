"""`sentiment versions`: list the registered versions of the model."""

import argparse

from sentiment_client.commands.output import print_json
from sentiment_client.commands.server import management_client

ABOUT = "list the registered versions of the model, or unregister one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "--unregister",
        metavar="VERSION",
        help="unregister a version that is not the default; from then on, /invocations needs "
        "model_name",
    )


def run(args: argparse.Namespace) -> int:
    """Print one line per version: version, archive, ready workers, and which is the default."""
    with management_client(args) as management:
        if args.unregister:
            # Its requests in flight would never be answered.
            if args.unregister == management.default_version(args.model):
                raise ValueError(f"{args.unregister} is the default version: deploy another first.")
            if management.describe(args.model, args.unregister).workers:
                raise ValueError(
                    f"{args.unregister} has workers, which may be answering: only a version that "
                    "another has replaced can be unregistered."
                )
            management.unregister(args.model, args.unregister)
        default = management.default_version(args.model)
        for model in management.describe_all(args.model):
            is_default = model.version == default
            if args.json:
                fields = {"version": model.version, "archive": model.archive}
                print_json(fields | {"ready_workers": model.ready_workers, "default": is_default})
            else:
                workers = f"{model.ready_workers} ready workers"
                columns = [model.version, model.archive, workers, *(["default"] * is_default)]
                print("\t".join(columns))
    return 0
