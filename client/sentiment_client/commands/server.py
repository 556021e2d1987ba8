"""Clients of the server that the options name."""

import argparse

from sentiment_client._address import address_or_default, base_address, is_loopback
from sentiment_client._base import MAX_CONCURRENCY
from sentiment_client.client import SentimentClient
from sentiment_client.management import ManagementClient


def inference_client(
    args: argparse.Namespace,
    *,
    address: str | None = None,
    version: str | None = None,
    max_concurrency: int = MAX_CONCURRENCY,
) -> SentimentClient:
    """A client of `args.address`, or of another `address`, which has no management address."""
    return SentimentClient(
        address or args.address,
        model=args.model,
        version=version,
        timeout=(3.05, args.timeout),
        token_file=args.token_file or None,
        management=None if address else _management_address(args),
        max_concurrency=max_concurrency,
    )


def management_client(args: argparse.Namespace) -> ManagementClient:
    """A client of the management API; raises ValueError if its address is not known."""
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
