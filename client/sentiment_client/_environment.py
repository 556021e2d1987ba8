"""What the environment says of a server: the proxy on the way to it, and whom to trust."""

import os
import ssl
from pathlib import Path

import certifi
import requests

from sentiment_client._address import is_loopback

# What `requests` and curl read, and then what OpenSSL and `httpx` read.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

Verify = bool | str | Path


def proxy(address: str) -> str | None:
    """The proxy for an address, as the environment names it; none for this machine's servers."""
    if is_loopback(address):
        return None
    proxies = requests.utils.get_environ_proxies(address)  # heeds NO_PROXY
    url = requests.utils.select_proxy(address, proxies)
    return f"http://{url}" if url and "://" not in url else url


def certificates(verify: Verify) -> bool | str:
    """Whom to trust over TLS: True for the usual authorities, a file or folder, False for anyone.

    The environment's certificates take the place of True. Raises ValueError for a path that is
    not there or holds none.
    """
    origin, path = "verify", verify
    if verify is True:
        values = ((name, os.environ.get(name, "")) for name in _VARIABLES)
        origin, path = next(((name, value) for name, value in values if value), ("verify", True))
    if isinstance(path, bool):
        return path
    # OpenSSL takes several folders in one variable; the first that there is will do.
    folders = str(path).split(os.pathsep) if origin == "SSL_CERT_DIR" else [str(path)]
    # An empty one would switch the check off.
    existing = next((folder for folder in folders if folder and Path(folder).exists()), None)
    if existing is None:
        raise ValueError(f"There are no certificates at {str(path)!r}, as {origin} says.")
    if Path(existing).is_file():
        try:
            ssl.create_default_context(cafile=existing)
        except (OSError, ssl.SSLError):
            raise ValueError(
                f"{existing!r}, which {origin} names, holds no certificates in PEM format."
            ) from None
    return existing


def tls_context(trusted: bool | str) -> ssl.SSLContext:
    """The context for connections that trust what `certificates` returns."""
    if isinstance(trusted, str):
        folder = Path(trusted).is_dir()
        return ssl.create_default_context(
            cafile=None if folder else trusted, capath=trusted if folder else None
        )
    context = ssl.create_default_context(cafile=certifi.where())
    if not trusted:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def pem(trusted: bool | str) -> bytes | None:
    """The same as PEM, for gRPC; None for its own authorities. Raises ValueError for False."""
    if trusted is False:
        raise ValueError("gRPC cannot leave certificates unchecked: pass verify=PATH instead.")
    if trusted is True:
        return None
    path = Path(str(trusted))
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    contents = (file.read_bytes() for file in files if file.is_file())
    return b"\n".join(content for content in contents if b"BEGIN CERTIFICATE" in content)
