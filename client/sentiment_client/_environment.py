"""Settings from the environment: the proxy, and the certificates to trust."""

import os
import ssl
from pathlib import Path

import certifi
import requests

from sentiment_client._address import is_loopback

# The first two are those of `requests` and curl, the others those of OpenSSL and `httpx`.
_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")

Verify = bool | str | Path


def proxy(address: str) -> str | None:
    """The proxy for an address, from the environment; None for servers on this machine."""
    if is_loopback(address):
        return None
    proxies = requests.utils.get_environ_proxies(address)  # respects NO_PROXY
    url = requests.utils.select_proxy(address, proxies)
    return f"http://{url}" if url and "://" not in url else url


def certificates(verify: Verify) -> bool | str:
    """The certificates to trust: a file or folder, True for public authorities, False for any.

    With True, certificates from the environment take precedence. Raises ValueError if the path
    does not exist or has no certificates.
    """
    origin, path = "verify", verify
    if verify is True:
        values = ((name, os.environ.get(name, "")) for name in _VARIABLES)
        origin, path = next(((name, value) for name, value in values if value), ("verify", True))
    if isinstance(path, bool):
        return path
    # OpenSSL allows several folders in one variable; the first that exists is used.
    folders = str(path).split(os.pathsep) if origin == "SSL_CERT_DIR" else [str(path)]
    # An empty one would switch the check off.
    existing = next((folder for folder in folders if folder and Path(folder).exists()), None)
    if existing is None:
        raise ValueError(f"There are no certificates at {str(path)!r}: check {origin}.")
    if Path(existing).is_file():
        try:
            ssl.create_default_context(cafile=existing)
        except (OSError, ssl.SSLError):
            raise ValueError(
                f"{existing!r} has no certificates in PEM format: check {origin}."
            ) from None
    return existing


def tls_context(trusted: bool | str) -> ssl.SSLContext:
    """The TLS context for the result of `certificates`."""
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
    """The same as PEM, for gRPC; None means gRPC's default. Raises ValueError for False."""
    if trusted is False:
        raise ValueError("gRPC always verifies certificates: pass verify=PATH instead of False.")
    if trusted is True:
        return None
    path = Path(str(trusted))
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    contents = (file.read_bytes() for file in files if file.is_file())
    return b"\n".join(content for content in contents if b"BEGIN CERTIFICATE" in content)
