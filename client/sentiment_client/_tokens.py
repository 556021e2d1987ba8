"""The tokens that TorchServe may ask for."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from sentiment_client.errors import Unauthorized


class _Headers(Protocol):
    def __setitem__(self, name: str, value: str, /) -> None: ...


class _Request(Protocol):
    @property
    def headers(self) -> _Headers: ...


Request = TypeVar("Request", bound=_Request)


@dataclass(frozen=True)
class Token:
    """One token.

    Called with a request, it signs it: what `requests` and `httpx` both ask of an `auth`.
    """

    key: str

    @property
    def header(self) -> str:
        """The value of an Authorization header."""
        return f"Bearer {self.key}"

    def __call__(self, request: Request) -> Request:
        """Add the header."""
        request.headers["Authorization"] = self.header
        return request


# Asked for each try, as tokens are rotated.
TokenSource = Callable[[], Token | None]


def token_source(token: str | None, token_file: Path | str | None, kind: str) -> TokenSource:
    """What to sign requests with, if anything; `token` comes before `token_file`.

    The file is TorchServe's key_file.json, which it rewrites when a token is rotated; `kind` is
    "inference" or "management". The source raises Unauthorized when the file holds no such token.
    """
    if token is not None:
        return lambda: Token(token)
    return partial(_read, Path(token_file), kind) if token_file is not None else lambda: None


def _read(path: Path, kind: str) -> Token:
    try:
        return Token(str(json.loads(path.read_text(encoding="utf-8"))[kind]["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise Unauthorized(f"{path} holds no {kind} token.") from None
