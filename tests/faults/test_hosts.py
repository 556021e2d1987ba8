"""Workers, Java and hosts die, and hosts restart, under load: our client loses nothing."""

import time
from collections.abc import Callable

import pytest

from sentiment_client.cli import main
from tests.faults.conftest import MANY_REQUESTS, ONLY_IN_WHOLE, Record, Site
from tests.faults.hosts import Host
from tests.integration.stopping import assert_nothing_is_lost

BATCH = 32


def test_a_worker_is_killed(site: Site, record: Record) -> None:
    (worker,) = site.hosts[0].workers()
    with site.traffic(MANY_REQUESTS) as traffic:
        worker.kill()
        seconds = site.hosts[0].wait_for_another_worker(worker)
    assert traffic.ours.failures == {}
    assert set(traffic.plain.failures) <= {"500 WorkerDied", "507 WorkerDied"}
    assert traffic.plain.failed <= BATCH
    record(
        "a worker is killed",
        f"TorchServe started another one, which was ready after {seconds:.1f} s",
        traffic,
    )


def test_java_is_killed(site: Site, record: Record) -> None:
    host = site.hosts[0]
    with site.traffic(MANY_REQUESTS) as traffic:
        host.java.kill()
        killed = time.monotonic()
        assert host.launcher.wait(60) == 137
        host.bring_up()
        seconds = time.monotonic() - killed
    assert traffic.ours.failures == traffic.plain.failures == {}
    record(
        "Java is killed, and the launcher started again as systemd does",
        f"the launcher ended with 137; the next one answered after {seconds:.1f} s",
        traffic,
    )


def test_a_host_loses_power(site: Site, record: Record) -> None:
    host = site.hosts[1]
    with site.traffic(MANY_REQUESTS) as traffic:
        host.lose_power()
        lost = time.monotonic()
        traffic.wait_for(500)
        host.network.plug(connected=True)
        host.bring_up()
        seconds = time.monotonic() - lost
    assert traffic.ours.failures == traffic.plain.failures == {}
    record("a host loses power, and starts again", f"back after {seconds:.1f} s", traffic)


@ONLY_IN_WHOLE
def test_a_version_goes_into_service_and_back_and_all_hosts_restart(
    site: Site, record: Record
) -> None:
    with site.traffic(MANY_REQUESTS, ours=False) as traffic:
        for arguments in (["deploy", "sentiment-2.0.mar"], ["rollback"]):
            for host in site.hosts:
                with host.network.entered():
                    assert main(arguments) == 0
        for host in site.hosts:
            assert host.terminate() == 0
            host.bring_up()
    assert traffic.plain.failures == {}
    record(
        "both hosts get another version and go back to the first; then both restart in turn",
        "each step waited until the one before was complete",
        traffic,
    )


@ONLY_IN_WHOLE
@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("SIGTERM to the launcher", lambda host: host.launcher.terminate()),
        ("`make stop`", Host.stop_by_command),
    ],
    ids=["SIGTERM", "make stop"],
)
def test_a_host_is_stopped(
    site: Site, record: Record, name: str, stop: Callable[[Host], object]
) -> None:
    host = site.hosts[0]
    with site.traffic(MANY_REQUESTS) as traffic:
        direct = assert_nothing_is_lost(
            f"http://{host.address}:8080/predictions/sentiment", lambda: stop(host)
        )
        assert host.launcher.wait(180) == 0
        host.bring_up()
    assert traffic.ours.failures == traffic.plain.failures == {}
    record(
        f"{name} of one host",
        "it drained and ended with 0; it also answered all of "
        f"{direct.answered:,} requests that came without the front, from clients that heed `ready`",
        traffic,
    )
