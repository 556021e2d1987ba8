"""The tokens that TorchServe may ask for."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sentiment_client.errors import Unauthorized


class _Headers(Protocol):
    def __setitem__(self, name: str, value: str, /) -> None: ...


class _Request(Protocol):
    @property
    def headers(self) -> _Headers: ...


RequestT = TypeVar("RequestT", bound=_Request)


@dataclass(frozen=True)
class Token:
    """One token; whitespace around it is removed. Raises ValueError for what no header can hold.

    Called with a request, it signs it: that is what `requests` and `httpx` expect of an `auth`.
    Neither its `repr` nor its error shows it.
    """

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.strip())
        if not re.fullmatch(r"[!-~]+", self.key):
            raise ValueError(
                "The token is empty, or holds characters other than ASCII letters, digits and "
                "punctuation: copy it again."
            )

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        return f"Bearer {self.key}"

    def __call__(self, request: RequestT) -> RequestT:
        """Add the header."""
        request.headers["Authorization"] = self.header
        return request


# Called before each attempt, as tokens are rotated.
TokenSource = Callable[[], Token | None]


def token_source(token: str | None, token_file: Path | str | None, kind: str) -> TokenSource:
    """What to sign requests with, if anything; `token` comes before `token_file`.

    The file is TorchServe's key_file.json, which it rewrites when a token is rotated; `kind` is
    "inference" or "management". The source raises Unauthorized when the file holds no such token.
    """
    if token is not None:
        return partial(_same, Token(token))
    return partial(_read, Path(token_file), kind) if token_file else _none


def _same(token: Token) -> Token:
    return token


def _none() -> None:
    return None


def _read(path: Path, kind: str) -> Token:
    try:
        return Token(str(json.loads(path.read_text(encoding="utf-8"))[kind]["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # raised below, without the parser's error, which holds the whole file
    raise Unauthorized(f"{path} holds no {kind} token.")
