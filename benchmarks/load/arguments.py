"""What the command lines here and of `tuning` have in common: types for argparse."""

import argparse
from collections.abc import Callable, Iterable


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Read some of the known names, all of them in one word, as make has lists; none means all."""

    def read(text: str) -> list[str]:
        names = text.replace(",", " ").split()
        if unknown := sorted(set(names) - set(known)):
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]!r}: {', '.join(known)}")
        return names or list(known)

    return read
