"""Parse, complete and check server addresses."""

import ipaddress
import os
import socket
from urllib.parse import SplitResult, quote, unquote, urlsplit

# Those of Debian's and of Red Hat's /etc/hosts.
_LOOPBACK_NAMES = {
    *("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"),
    *("localhost4", "localhost4.localdomain4", "localhost6", "localhost6.localdomain6"),
}


def address_or_default(address: str | None, variable: str, default: str) -> str:
    """`address` if there is one, else the environment variable's value, else the default.

    An empty variable counts as unset.
    """
    return address or os.environ.get(variable, "").strip() or default


def base_address(address: str, default_port: int) -> str:
    """Complete an address; raises ValueError if it is not an HTTP address.

    >>> base_address("localhost", 8080)
    'http://localhost:8080'
    >>> base_address("10.0.0.7:9000", 8080)
    'http://10.0.0.7:9000'
    >>> base_address("http://example.com", 8080)
    'http://example.com'
    >>> base_address("https://example.com/team/", 8080)
    'https://example.com/team'
    >>> base_address("[::1]", 8080)
    'http://[::1]:8080'
    >>> base_address("ftp://example.com", 8080)
    Traceback (most recent call last):
    ValueError: 'ftp://example.com' is not an HTTP address such as http://127.0.0.1:8080.
    >>> base_address("http://joe:s3cret@example.com", 8080)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: The address contains a user name or password: remove everything up to '@', ...
    """
    address = address.strip()
    # Anywhere, since a password may contain "/" or "#", and also as %40.
    if "@" in unquote(address):
        raise ValueError(
            "The address contains a user name or password: remove everything up to '@', and pass "
            "a token if the server needs one."
        )
    # An address with a scheme has the scheme's default port, as in a browser.
    complete = "://" in address
    parts = _split(address if complete else f"http://{address}")
    if parts is None or parts.scheme not in ("http", "https"):
        shown = address.partition("?")[0].partition("#")[0]
        raise ValueError(f"{shown!r} is not an HTTP address such as http://127.0.0.1:8080.")
    if parts.query or parts.fragment:
        raise ValueError(f"The address of {parts.hostname!r} has a query or a '#': remove it.")
    port = parts.port or (None if complete else default_port)
    return f"{parts.scheme}://{_host(parts)}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def model_path(api: str, model: str, version: str | None = None) -> str:
    """The URL path of a model, or of one version of it, below "predictions" or "models".

    >>> model_path("models", "sentiment")
    '/models/sentiment'
    >>> model_path("predictions", "a b", "1.0")
    '/predictions/a%20b/1.0'
    """
    return "/".join(["", api, *(quote(part, safe="") for part in (model, version) if part)])


def grpc_target(address: str, default_port: int) -> tuple[str, bool]:
    """The "host:port" of a gRPC server, and whether to connect over TLS.

    >>> grpc_target("localhost", 7070)
    ('localhost:7070', False)
    >>> grpc_target("https://example.com", 7070)
    ('example.com:7070', True)
    >>> grpc_target("localhost:7070/team", 7070)
    Traceback (most recent call last):
    ValueError: 'localhost:7070/team' has a path, which gRPC does not support: remove it.
    """
    parts = urlsplit(base_address(address, default_port))
    if parts.path:
        raise ValueError(f"{address!r} has a path, which gRPC does not support: remove it.")
    return f"{_host(parts)}:{parts.port or default_port}", parts.scheme == "https"


def is_loopback(address: str) -> bool:
    """Whether an address, completed by `base_address` or `grpc_target`, is on this machine.

    Only this machine's own name is ever looked up.

    >>> [is_loopback(host) for host in ("http://127.0.0.1:8080", "[::1]:7070", "localhost.:80")]
    [True, True, True]
    >>> is_loopback("http://example.com"), is_loopback("example.com:7070")
    (False, False)
    """
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    host = host.rstrip(".").lower()
    return host in _LOOPBACK_NAMES or host.endswith(".localhost") or _is_own(host)


def _is_own(host: str) -> bool:
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    if host in (name, short):
        return True
    if host.startswith(f"{short}."):
        return host == socket.getfqdn().lower()
    try:
        # Accepts every notation that the system does, such as 127.1, without a DNS query.
        family, kind, _, _, place = socket.getaddrinfo(
            host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        number = ipaddress.ip_address(place[0])
        mapped = getattr(number, "ipv4_mapped", None) or number
        if mapped.is_loopback or mapped.is_unspecified or mapped.is_multicast:
            return not mapped.is_multicast
        with socket.socket(family, kind) as probe:
            probe.bind(place)  # fails unless the address is on this machine
    except (OSError, ValueError):
        return False
    return True


def _split(address: str) -> SplitResult | None:
    """The parts of an address, or None if no request can be sent to it."""
    try:
        parts = urlsplit(address)
        if not parts.hostname or parts.port == 0:
            return None
        if ":" not in parts.hostname:
            parts.hostname.encode("idna")
    except ValueError:
        return None
    return None if any(char.isspace() or not char.isprintable() for char in address) else parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    return f"[{host}]" if ":" in host else host
