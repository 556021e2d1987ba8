"""Two hosts, each in a network of its own, and nginx in front of them."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.launcher.front import TEMPLATES, Front, nginx_command
from scripts.launcher.properties import Properties
from scripts.paths import ROOT
from scripts.silence import bypass_proxies
from tests.conftest import altered, with_version
from tests.faults import rows
from tests.faults.hosts import Host
from tests.faults.network import Network
from tests.faults.traffic import Traffic
from tests.integration.namespace import NEEDS_NAMESPACES, permitted

FRONT, ADDRESSES = "10.0.0.1", ("10.0.0.2", "10.0.0.3")
SYSCTLS = ROOT / "deploy" / "sysctl.d" / "60-sentiment-front.conf"
WHOLE = "FAULTS" in os.environ
ONLY_IN_WHOLE = pytest.mark.skipif(not WHOLE, reason="needs a quarter of an hour: make faults")
# The least number of requests while something fails; and where hosts die or restart.
REQUESTS = 2_000 if WHOLE else 1_000
MANY_REQUESTS = 10_000 if WHOLE else 1_000
# The longest time that a worker may take for a batch; TorchServe then ends it.
RESPONSE_SECONDS = 10
SETTINGS = {
    "inference_address": "http://0.0.0.0:8080",  # as in deploy/container.properties
    "enable_model_api": "true",
    # Longer than clients need to notice, also on a busy machine.
    "drain_seconds": "4",
    # Room for all clients of `Traffic` at one host; a test fills it.
    "job_queue_size": "100",
}


@dataclass
class Site:
    """Hosts, their front, and the network that the front and the clients are in."""

    network: Network
    hosts: list[Host]
    front: Front
    repeated: int = 0

    @contextlib.contextmanager
    def traffic(self, requests: int = REQUESTS, *, ours: bool = True) -> Iterator[Traffic]:
        """Clients of the front, which send at least this many `requests`, also after the block."""
        start = self.front.access_log.stat().st_size
        with self.network.entered():
            certificate = str(self.front.certificate)
            with Traffic(self.front.address, certificate, ours=ours) as traffic:
                yield traffic
                traffic.wait_for(max(requests - traffic.requests, requests // 10))
        self.repeated = sum(", " in backend for backend in self.backends(start))

    def backends(self, start: int = 0) -> list[str]:
        """The host of each request, or several, in the access log from this byte on."""
        with self.front.access_log.open("rb") as log:
            log.seek(start)
            return [str(json.loads(line)["backend"]) for line in log]


@pytest.fixture(scope="session")
def site(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Started once: each test leaves it as it was."""
    if not permitted():
        pytest.skip(NEEDS_NAMESPACES)
    if nginx_command() is None:
        pytest.skip("needs nginx: apt-get install nginx")
    bypass_proxies(ADDRESSES)
    with ExitStack() as closing:
        # Short, for sockets.
        work = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        archives = [work / "store" / "sentiment.mar", work / "version" / "sentiment-2.0.mar"]
        altered(archive, archives[0], "model-config.yaml", respond_within(RESPONSE_SECONDS))
        altered(archives[0], archives[1], "MAR-INF/MANIFEST.json", with_version("2.0"))
        network = Network()
        closing.callback(network.close)
        network.bridge(FRONT)
        network.set_sysctls(SYSCTLS)
        hosts = []
        for address in ADDRESSES:
            host = Host(address, work / address, archives, **SETTINGS)
            closing.callback(host.close)
            host.network.join(network, address)
            host.start()
            hosts.append(host)
        for host in hosts:
            host.wait_until_up()
        front = front_of(hosts, work / "front")
        with network.entered():
            front.start()
        closing.callback(front.stop)
        yield Site(network, hosts, front)


def front_of(hosts: Sequence[Host], run: Path, **changes: str) -> Front:
    """A front of all hosts, with some `changes` of its settings; it is not started."""
    backends = " ".join(f"{host.address}:8080" for host in hosts)
    # The limits are not what is tested here.
    limits = {"requests_per_second": "100000", "concurrent_requests": "10000"}
    defaults = Properties.read(TEMPLATES / "front.properties")
    values = defaults.values | {"backends": backends} | limits | changes
    return Front(Properties(defaults.path, values), hosts[0].server, run)


def respond_within(seconds: int) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(
        b"responseTimeout: 60", f"responseTimeout: {seconds}".encode()
    )


Record = Callable[[str, str, Traffic], None]


@pytest.fixture(scope="session")
def record(site: Site) -> Record:
    """Keeps a row for docs/reliability.md: the fault, what the servers did, what clients saw."""
    if WHOLE:
        rows.ROWS.unlink(missing_ok=True)

    def save(fault: str, server: str, traffic: Traffic) -> None:
        row = rows.Row(fault, server, traffic.plain, traffic.ours, site.repeated)
        print(row)
        if WHOLE:
            rows.save(row)

    return save
