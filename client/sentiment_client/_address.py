"""What people write for a server -> the address that requests are sent to."""

from urllib.parse import quote, urlsplit


def base_address(written: str, default_port: int) -> str:
    """Complete an address; raises ValueError for what is not an HTTP address.

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
    """
    # A scheme was written: then its own default port was meant, as in a browser.
    complete = "://" in written
    parts = urlsplit(written if complete else f"http://{written}")
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
        raise ValueError(f"{written!r} is not an HTTP address such as http://127.0.0.1:8080.")
    netloc = parts.netloc if complete or port else f"{parts.netloc}:{default_port}"
    return f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"


def model_path(api: str, model: str, version: str | None = None) -> str:
    """The path of a model, or of one version of it, below "predictions" or "models".

    >>> model_path("models", "sentiment")
    '/models/sentiment'
    >>> model_path("predictions", "a b", "1.0")
    '/predictions/a%20b/1.0'
    """
    return "/".join(["", api, *(quote(part, safe="") for part in (model, version) if part)])


def grpc_target(written: str, default_port: int) -> tuple[str, bool]:
    """The host and port of a gRPC server, and whether it is reached over TLS.

    >>> grpc_target("localhost", 7070)
    ('localhost:7070', False)
    >>> grpc_target("https://example.com", 7070)
    ('example.com:7070', True)
    >>> grpc_target("localhost:7070/team", 7070)
    Traceback (most recent call last):
    ValueError: 'localhost:7070/team' has a path, which gRPC has no place for: leave it out.
    """
    parts = urlsplit(base_address(written, default_port))
    if parts.path:
        raise ValueError(f"{written!r} has a path, which gRPC has no place for: leave it out.")
    netloc = parts.netloc if parts.port else f"{parts.netloc}:{default_port}"
    return netloc, parts.scheme == "https"


def is_loopback(address: str) -> bool:
    """Whether an address, completed by `base_address` or `grpc_target`, is of this machine.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("[::1]:7070")
    (True, True)
    >>> is_loopback("http://example.com"), is_loopback("example.com:7070")
    (False, False)
    """
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")
