"""Reload nginx under load, and count the requests of kept connections that fail.

python -m benchmarks.reloads [--clients 15] [--reloads 80]

Starts its own server and front. A third of the clients use `requests`, a third `requests` with
urllib3's retries, and a third are ours. Each sends a sentence, waits a moment, and sends the next.
"""

import argparse
import logging
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from benchmarks.load.arguments import positive
from benchmarks.process import exit_on_sigterm
from scripts.failure import Failure, reports_failures
from scripts.launcher.front import TEMPLATES, Front
from scripts.launcher.ports import free_ports
from scripts.launcher.properties import Properties
from scripts.launcher.server import EXAMPLE, MODEL, isolated_server
from scripts.paths import ARCHIVE
from sentiment_client import SentimentClient, SentimentError

# Seconds between two reloads, and the longest pause of a client between two requests.
RELOAD_SECONDS = 0.3
PAUSE_SECONDS = 0.03


class Clients:
    """Threads that send until `over` is set, and what became of their requests."""

    def __init__(self, count: int, connect: Callable[[], Callable[[], object]]) -> None:
        """`connect` opens a client, and returns the function that sends one request."""
        self.requests = 0
        self.failures: list[str] = []
        self.over = threading.Event()
        self._connect = connect
        self._threads = [threading.Thread(target=self._send) for _ in range(count)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        send = self._connect()
        while not self.over.wait(random.uniform(0, PAUSE_SECONDS)):
            self.requests += 1
            try:
                send()
            except (requests.RequestException, SentimentError) as error:
                self.failures.append(str(error))

    def stop(self) -> None:
        """Wait until all have their last answer."""
        self.over.set()
        for thread in self._threads:
            thread.join()


class Retries(logging.Handler):
    """Counts the retries that our clients log."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one."""
        self.count += 1


@reports_failures()
def main() -> None:
    """Start the server and its front, reload, and print the counts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reloads", description=__doc__)
    parser.add_argument("--clients", type=positive, default=15, help="default: 15")
    parser.add_argument("--reloads", type=positive, default=80, help="default: 80")
    args = parser.parse_args()
    exit_on_sigterm()
    retries = Retries()
    logging.getLogger("sentiment_client").addHandler(retries)
    with tempfile.TemporaryDirectory() as folder:
        server = isolated_server(ARCHIVE.parent, Path(folder))
        (port,) = free_ports(1)
        settings = Properties.read(TEMPLATES / "front.properties")
        values = settings.values | {"listen": f"127.0.0.1:{port}"}
        front = Front(Properties(settings.path, values), server, Path(folder) / "nginx")
        front.check()
        try:
            server.start()
            front.start()
            kinds = measure(front, args.clients // 3, args.reloads)
            log = (front.run / "error.log").read_text(encoding="utf-8")
            if log.count(": reconfiguring") < args.reloads:
                raise Failure("nginx was not reloaded.", log[-2000:])
        finally:
            front.stop()
            server.stop()
    for name, clients in kinds.items():
        print(f"{name}: {clients.requests} requests, {len(clients.failures)} failed")
        for failure in sorted(set(clients.failures)):
            print(f"  {failure}")
    print(f"{args.reloads} reloads; our clients repeated {retries.count} requests")


def measure(front: Front, count: int, reloads: int) -> dict[str, Clients]:
    """Reload `front` while `count` clients of each kind send."""
    certificate = str(front.certificate)

    def plain(retries: int = 0) -> Callable[[], object]:
        session = requests.Session()
        session.verify, session.trust_env = certificate, False
        repeating = Retry(retries, allowed_methods=None, backoff_factor=0.2)
        session.mount("https://", HTTPAdapter(max_retries=repeating))
        url = f"{front.address}/predictions/{MODEL}"
        return lambda: session.post(url, json={"text": EXAMPLE}, timeout=60).raise_for_status()

    def ours() -> Callable[[], object]:
        client = SentimentClient(front.address, verify=certificate)
        return lambda: client.predict(EXAMPLE)

    kinds = {
        "plain": Clients(count, plain),
        "with retries": Clients(count, partial(plain, 3)),
        "ours": Clients(count, ours),
    }
    try:
        for _ in range(reloads):
            time.sleep(RELOAD_SECONDS)
            front.reload()
    finally:
        for clients in kinds.values():
            clients.stop()
    if not all(clients.requests for clients in kinds.values()):
        raise Failure("No request was sent: use more clients.")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
