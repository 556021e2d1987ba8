"""The tokens that TorchServe may ask for."""

import json
from pathlib import Path
from typing import Protocol, TypeVar

from sentiment_client.errors import Unauthorized


class _Headers(Protocol):
    def __setitem__(self, name: str, value: str, /) -> None: ...


class _Request(Protocol):
    @property
    def headers(self) -> _Headers: ...


Request = TypeVar("Request", bound=_Request)


class Token:
    """A token that the caller has.

    Called with a request, it signs it: what `requests` and `httpx` both ask of an `auth`.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def header(self) -> str:
        """The value of an Authorization header."""
        return f"Bearer {self.read()}"

    def read(self) -> str:
        """The token itself."""
        return self._token

    def __call__(self, request: Request) -> Request:
        """Add the header."""
        request.headers["Authorization"] = self.header()
        return request


class TokenFile(Token):
    """The token of one kind, "inference" or "management", in TorchServe's key_file.json.

    TorchServe rewrites the file when a token is rotated, so it is read for every request.
    """

    def __init__(self, path: Path | str, kind: str) -> None:
        self.path, self.kind = Path(path), kind

    def read(self) -> str:
        """Read the file; raises Unauthorized when it holds no such token."""
        try:
            token = json.loads(self.path.read_text(encoding="utf-8"))[self.kind]["key"]
        except (OSError, ValueError, KeyError, TypeError):
            raise Unauthorized(f"{self.path} holds no {self.kind} token.") from None
        return str(token)


def token_from(token: str | None, token_file: Path | str | None, kind: str) -> Token | None:
    """What to sign requests with, if anything; `token` comes before `token_file`."""
    if token is not None:
        return Token(token)
    return None if token_file is None else TokenFile(token_file, kind)
