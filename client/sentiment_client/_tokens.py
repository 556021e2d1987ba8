"""TorchServe's tokens, from a string or from its key file."""

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
    """One token, stripped of whitespace. Raises ValueError if it cannot be sent in a header.

    It is also the `auth` of `requests` and `httpx`: called with a request, it adds its header.
    Neither its `repr` nor the error shows the token.
    """

    key: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key.strip())
        if not re.fullmatch(r"[!-~]+", self.key):
            raise ValueError(
                "The token is empty, or contains characters other than ASCII letters, digits and "
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


# Called before each attempt, since tokens are rotated.
TokenSource = Callable[[], Token | None]


def token_source(token: str | None, token_file: Path | str | None, kind: str) -> TokenSource:
    """The source of the tokens to send, which may give None; `token` precedes `token_file`.

    The file is TorchServe's key_file.json, which is rewritten when a token is rotated; `kind` is
    "inference" or "management". The source raises Unauthorized if the file has no such token.
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
        pass  # raised below, not chained to the parser's error, which holds the whole file
    raise Unauthorized(f"{path} has no {kind} token: check the path.")
