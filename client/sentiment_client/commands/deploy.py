"""`sentiment deploy`: put an archive into service without losing a request."""

import argparse
from contextlib import ExitStack
from typing import Any

from sentiment_client import rollout
from sentiment_client.commands.compare import limit, show
from sentiment_client.commands.extras import load
from sentiment_client.commands.output import print_json
from sentiment_client.commands.server import inference_client, management_client
from sentiment_client.datasets.formats import FORMATS
from sentiment_client.management import ManagementClient
from sentiment_client.models import Model

ABOUT = "put another archive into service without losing a request"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add("archive", metavar="ARCHIVE", help="its name in the model store of the server")
    add(
        "--check", metavar="FILE", help="texts, in a file as for score, to compare both versions on"
    )
    add("--column", default="text", metavar="NAME", help="column of the texts (default: text)")
    add("--format", choices=FORMATS, help="format of FILE (default: by its name)")
    add(
        "--max-flips",
        type=limit,
        metavar="LIMIT",
        help='do not switch if more texts change their label: a number, or as in "0.5%%"',
    )
    add_waiting(parser)


def add_waiting(parser: argparse.ArgumentParser) -> None:
    """Add the options about waiting, and what becomes of the old version."""
    add = parser.add_argument
    add(
        "--wait",
        type=float,
        default=rollout.LOADING,
        metavar="SECONDS",
        help=f"time that the version may take to load (default: {rollout.LOADING:.0f})",
    )
    add(
        "--unregister",
        action="store_true",
        help="also unregister the old version: no rollback, and /invocations needs model_name",
    )


def run(args: argparse.Namespace) -> int:
    """Load, compare, switch; returns 1 if too many labels change."""
    if args.max_flips is not None and not args.check:
        raise ValueError(
            "--max-flips needs texts to compare the versions on: name them with --check."
        )
    with management_client(args) as management:
        new = rollout.add(management, args.archive, args.model, wait=args.wait)
        with rollout.stopped_on_failure(management, new.version, args.model):
            accepted = not args.check or _check(args, management, new)
        if not accepted:
            management.scale(0, model=args.model, version=new.version)
            if args.json:
                default = management.default_version(args.model)
                print_json({"version": default, "refused": new.version})
            else:
                print(
                    f"{new.version} does not go into service: more labels change than --max-flips "
                    f"allows. It stays registered, without workers."
                )
            return 1
        finish(args, management, new.version)
    return 0


def finish(args: argparse.Namespace, management: ManagementClient, version: str) -> None:
    """Switch to a version that is loaded, and say so."""
    default = management.default_version(args.model)
    with inference_client(args, version=default) as client:
        old = rollout.switch(management, client, version, args.model)
    if args.unregister:
        management.unregister(args.model, old.version)
    archive = management.describe(args.model).archive
    if args.json:
        print_json({"version": version, "previous": old.version, "archive": archive})
        return
    rest = "is unregistered" if args.unregister else 'stays registered for "sentiment rollback"'
    print(f"{version} answers now; {old.version} {rest}.")
    print(
        f"After a restart, TorchServe loads what config.properties says: set load_models to "
        f"{archive}, and name version {version} in models."
    )


def _check(args: argparse.Namespace, management: ManagementClient, new: Model) -> bool:
    """Print what changes on the texts; whether that is allowed."""
    datasets: Any = load("datasets.compare", "data")
    source: Any = load("datasets.source", "data")
    with ExitStack() as stack:
        texts = stack.enter_context(source.Source(args.check, args.column, args.format))
        old, new_stream = (
            stack.enter_context(inference_client(args, version=version)).predict_stream
            for version in (management.default_version(args.model), new.version)
        )
        comparison = datasets.compare(texts.groups(), old, new_stream)
    if not comparison.total.rows:
        raise ValueError("The file of --check has no rows.")
    return show(comparison, args)
