"""How this machine reaches a server that it runs itself: directly, whatever it listens on."""

import ipaddress
import os
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit


def reachable(address: str) -> str:
    """The address to connect to, of one to listen on.

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
    except ValueError:  # a name; or no address at all, which `Properties.ports` refuses
        return address
    if not host.is_unspecified:
        return address
    loopback = "127.0.0.1" if host.version == 4 else "[::1]"
    return urlunsplit(parts._replace(netloc=f"{loopback}:{port}" if port else loopback))


def bypass_proxies(hosts: Iterable[str]) -> None:
    """Have this process and its children reach `hosts` directly, whatever proxy is set."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if listed.strip() == "*":
        return
    names = [name for name in listed.split(",") if name]
    merged = ",".join(dict.fromkeys([*names, *hosts]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = merged
