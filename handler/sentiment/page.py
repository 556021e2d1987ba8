"""A page to try the service on."""

from collections.abc import Mapping


def render(service: Mapping[str, object]) -> bytes:
    """Fill the page in."""
    return b"<!doctype html><title>x</title>"
