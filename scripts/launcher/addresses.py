"""The address at which this machine connects to a server that it runs."""

import ipaddress
from urllib.parse import urlsplit, urlunsplit


def reachable(address: str) -> str:
    """The address to connect to, for an address to listen on.

    >>> reachable("http://0.0.0.0:8080")
    'http://127.0.0.1:8080'
    >>> reachable("http://[::]:8080")
    'http://[::1]:8080'
    >>> reachable("http://10.0.0.7:8080")
    'http://10.0.0.7:8080'
    """
    parts = urlsplit(address)
    try:
        host = ipaddress.ip_address(parts.hostname or "")
        port = parts.port
    except ValueError:  # a host name; or not an address, which `Properties.ports` refuses
        return address
    if not host.is_unspecified:
        return address
    loopback = "127.0.0.1" if host.version == 4 else "[::1]"
    return urlunsplit(parts._replace(netloc=f"{loopback}:{port}" if port else loopback))
