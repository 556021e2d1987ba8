"""Disk, clock, network, certificate, archive and clients misbehave: `make faults` runs these."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests

from scripts.launcher.certificate import make_certificate
from scripts.launcher.java import java_home
from sentiment_client import CertificateFailed, SentimentClient
from sentiment_client.cli import main
from tests.conftest import altered, with_version
from tests.faults.conftest import ONLY_IN_WHOLE, REQUESTS, RESPONSE_SECONDS, Record, Site, front_of
from tests.faults.hosts import Host
from tests.faults.traffic import Traffic, described
from tests.integration.load import together, wait_until

pytestmark = ONLY_IN_WHOLE

BATCH = 32
GOOD = {"text": "A gripping, beautifully shot film."}


def test_a_host_is_cut_off(site: Site, record: Record) -> None:
    host = site.hosts[1]
    with site.traffic() as traffic:
        host.network.plug(connected=False)
        traffic.wait_for(2_000)
        time.sleep(15)
        host.network.plug(connected=True)
        size = site.front.access_log.stat().st_size
        wait_until(lambda: f"{host.address}:8080" in site.backends(size))
    assert traffic.ours.failures == traffic.plain.failures == {}
    record("a host is cut off for 15 s or more", "it got requests again by itself", traffic)


def test_a_host_is_slow(site: Site, record: Record) -> None:
    host = site.hosts[0]
    (worker,) = host.workers()
    over = threading.Event()

    def slow_down() -> None:
        while not over.is_set():
            worker.suspend()
            time.sleep(0.4)
            worker.resume()
            time.sleep(0.1)

    slowing = threading.Thread(target=slow_down)
    size = site.front.access_log.stat().st_size
    slowing.start()
    try:
        with site.traffic() as traffic:
            traffic.wait_for(2_000)
    finally:
        over.set()
        slowing.join()
    backends = site.backends(size)
    share = backends.count(f"{host.address}:8080") / len(backends)
    assert traffic.ours.failures == traffic.plain.failures == {}
    assert share < 0.4
    record(
        "a host is slow: its worker runs for a fifth of the time",
        f"the front sent it {share:.0%} of the requests",
        traffic,
    )


def test_a_worker_hangs(site: Site, record: Record) -> None:
    host = site.hosts[0]
    (worker,) = host.workers()
    with site.traffic() as traffic, host.frozen():
        seconds = host.wait_for_another_worker(worker)
        wait_until(lambda: not worker.is_running(), 30)
    assert traffic.ours.failures == {}
    assert set(traffic.plain.failures) <= {"500 WorkerDied"}
    assert traffic.plain.failed <= BATCH
    record(
        f"a worker hangs, with a `responseTimeout` of {RESPONSE_SECONDS} s",
        f"TorchServe ended it and started another one, which was ready after {seconds:.1f} s",
        traffic,
    )


def test_the_queue_is_full(site: Site, record: Record) -> None:
    url, certificate = f"{site.front.address}/predictions/sentiment", str(site.front.certificate)
    post = partial(requests.post, url, json=GOOD, verify=certificate, timeout=60)
    with (
        site.traffic() as traffic,
        SentimentClient(site.front.address, verify=certificate) as client,
    ):
        predict = partial(client.predict, GOOD["text"])
        with ExitStack() as frozen:
            for host in site.hosts:
                frozen.enter_context(host.frozen())
            thaw = threading.Timer(3, frozen.close)
            thaw.start()
            # Our client raises what it cannot get over.
            calls: list[Callable[[], object]] = [post, predict]
            answers = together(calls * 150)
            thaw.join()
    plain = [answer for answer in answers if isinstance(answer, requests.Response)]
    refused = [answer for answer in plain if answer.status_code != 200]
    assert {described(answer) for answer in refused} == {"503 Overloaded"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert traffic.ours.failures == traffic.plain.failures == {}
    traffic.ours.answered += len(plain)
    traffic.plain.answered += len(plain) - len(refused)
    traffic.plain.failures["503 Overloaded"] = len(refused)
    record(
        "both workers stand still for 3 s, and 300 more requests fill the queues, of 100 each",
        "it refused what had no room in a queue at once, and answered the rest",
        traffic,
    )


def test_clients_are_slow_or_vanish(site: Site, record: Record) -> None:
    context = ssl.create_default_context(cafile=str(site.front.certificate))
    head = b"POST /predictions/sentiment HTTP/1.1\r\nHost: x\r\nContent-Length: 400\r\n\r\n"
    slow, vanished = 100, 500
    with site.traffic() as traffic, ExitStack() as stack:
        connections = [stack.enter_context(connection(context)) for _ in range(slow)]
        for tls in connections:
            tls.sendall(head)
        for number in range(vanished):
            with connection(context) as tls:
                tls.sendall(head + b"x" * 400)
            if number % 10 == 0:
                for tls in connections:
                    tls.sendall(b"x")
    assert traffic.ours.failures == traffic.plain.failures == {}
    record(
        f"{slow} clients send a byte from time to time, and {vanished} vanish without their answer",
        "the front kept the slow ones to itself; TorchServe scored what had been sent",
        traffic,
    )


@contextmanager
def connection(context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A connection to the front, which ends without a word."""
    with socket.create_connection(("127.0.0.1", 8443), timeout=30) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            yield tls


def test_an_archive_is_damaged(
    site: Site, record: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = site.hosts
    good = first.server.model_store / "sentiment.mar"
    broken = tmp_path / "3.0" / "broken.mar"
    altered(good, tmp_path / "x" / "x.mar", "MAR-INF/MANIFEST.json", with_version("3.0"))
    altered(tmp_path / "x" / "x.mar", broken, "model/config.json", lambda content: b"")
    shutil.copy(broken, first.server.model_store)
    served = second.server.model_store / "sentiment.mar"
    with site.traffic() as traffic:
        with first.network.entered():
            assert main(["deploy", "broken.mar", "--wait", "8"]) == 1
        assert "0 of 1 workers are ready" in capsys.readouterr().err
        assert second.terminate() == 0
        served.unlink()  # it is a hard link
        served.write_bytes(good.read_bytes()[:1_000_000])
        second.start()
        assert second.launcher.wait(60) == 1
        assert "sentiment.mar is damaged: build it again" in second.output()
        served.unlink()
        served.hardlink_to(good)
        second.bring_up()
    assert traffic.ours.failures == traffic.plain.failures == {}
    record(
        "a version that does not load is deployed on one host, and the other one restarts with a "
        "damaged archive",
        "the first kept the version that it served; the second said why it did not start",
        traffic,
    )


@pytest.fixture
def small_disk(site: Site) -> Iterator[Host]:
    """The first host, whose folder of logs and state is a disk of 1 MB; it is stopped."""
    host = site.hosts[0]
    assert host.terminate() == 0
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(host.server.run)]
    subprocess.run(mount, check=True)
    try:
        yield host
    finally:
        host.lose_power()
        subprocess.run(["umount", "--lazy", str(host.server.run)], check=True)
        host.network.plug(connected=True)
        host.bring_up()


def test_the_disk_of_the_logs_is_full(site: Site, record: Record, small_disk: Host) -> None:
    host, log = small_disk, site.front.access_log
    host.bring_up()
    with site.traffic() as traffic:
        kept = log.rename(log.with_suffix(".kept"))
        log.symlink_to("/dev/full")
        reopen_logs(site)
        with pytest.raises(OSError, match="No space left"):
            (host.server.run / "filling").write_bytes(bytes(2_000_000))
        (worker,) = host.workers()
        worker.kill()
        host.wait_for_another_worker(worker)
        assert host.terminate() == 0
        log.unlink()
        kept.rename(log)
        reopen_logs(site)
    assert traffic.ours.failures == {}
    assert traffic.plain.failed <= BATCH
    record(
        "the disks of the logs of the front and of one host are full; there, a worker is killed, "
        "and the host is stopped",
        "they lost log lines alone: TorchServe started another worker, and the host drained",
        traffic,
    )


def reopen_logs(site: Site) -> None:
    os.kill(int((site.front.run / "nginx.pid").read_text()), signal.SIGUSR1)


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs faketime: apt-get install faketime")
def test_the_clock_of_a_host_jumps(site: Site, record: Record, tmp_path: Path) -> None:
    host, offset = site.hosts[0], tmp_path / "offset"
    offset.write_text("+0")
    # For Java and the workers: the launcher's Python does not run with it.
    faked = (
        f"LD_PRELOAD={FAKETIME} FAKETIME_TIMESTAMP_FILE={offset} FAKETIME_CACHE_DURATION=1 "
        "FAKETIME_DONT_FAKE_MONOTONIC=1"
    )
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f'#!/bin/sh\nexec env {faked} {java_home()}/bin/java "$@"\n')
    java.chmod(0o755)
    assert host.terminate() == 0
    host.start(environment={"JAVA_HOME": str(tmp_path)})
    host.wait_until_up()
    url = f"http://{host.address}:8080/predictions/sentiment"
    statuses = []
    with site.traffic() as traffic:
        for jump in ("+0", "+3600", "-3600"):
            offset.write_text(jump)
            time.sleep(2)  # libfaketime reads it once per second
            deadline = {"x-request-deadline": str(time.time() + 30)}
            answer = requests.post(url, json=GOOD, headers=deadline, timeout=60)
            statuses.append(answer.status_code)
            traffic.wait_for(500)
    assert host.terminate() == 0
    host.bring_up()
    assert statuses == [200, 504, 200]
    assert traffic.ours.failures == traffic.plain.failures == {}
    record(
        "the clock of a host jumps by an hour, ahead and back",
        "nothing, but for requests with a deadline: while its clock was ahead, they got a 504",
        traffic,
    )


def test_the_certificate_has_expired(site: Site, record: Record, tmp_path: Path) -> None:
    """On a front of its own, with the certificate of an authority that clients trust."""
    authority, key = tmp_path / "authority.pem", tmp_path / "authority.key"
    make_certificate(authority, key)
    certificate, own_key, request = (
        tmp_path / name for name in ("front.pem", "front.key", "request")
    )
    settings = {"certificate": str(certificate), "certificate_key": str(own_key)}
    front = front_of(site.hosts, tmp_path / "front", listen="127.0.0.1:9443", **settings)

    def openssl(arguments: str) -> None:
        subprocess.run(["openssl", *arguments.split()], check=True, capture_output=True)

    def sign(days: int) -> None:
        authorized = f"-CA {authority} -CAkey {key} -copy_extensions copy -days {days}"
        openssl(f"x509 -req -in {request} {authorized} -out {certificate}")

    names = "-subj /CN=localhost -addext subjectAltName=DNS:localhost"
    openssl(f"req -new -noenc -newkey rsa:2048 {names} -keyout {own_key} -out {request}")
    sign(0)
    time.sleep(1.1)  # it is valid until the end of this second
    with site.network.entered():
        front.start()
        try:
            with SentimentClient(front.address, verify=str(authority)) as client:
                with pytest.raises(CertificateFailed, match="certificate has expired") as caught:
                    client.predict("good")
            with Traffic(front.address, str(authority)) as traffic:
                assert traffic.plain.answered == traffic.ours.answered == 0
                sign(30)
                front.start()  # as `make serve FRONT=1` does
                traffic.wait_for(REQUESTS)
        finally:
            front.stop()
    assert set(traffic.plain.failures) == {"SSLError"}
    assert set(traffic.ours.failures) == {"CertificateFailed"}
    assert traffic.plain.answered > REQUESTS / 3
    assert traffic.ours.answered > REQUESTS / 3
    site.repeated = 0
    record(
        "the certificate of the front has expired, and another one is put in its place",
        f'no request reached it before `make serve FRONT=1`; our client said "{caught.value}"',
        traffic,
    )


def test_the_front_is_reloaded(site: Site, record: Record) -> None:
    """As by a change of its settings or certificate, or a new token of TorchServe."""
    reloads = 10
    with site.traffic() as traffic:
        for _ in range(reloads):
            site.front.reload()
            traffic.wait_for(500)
    assert traffic.ours.failures == {}
    # Of requests that nginx's old processes had not read when they closed the connection.
    assert set(traffic.plain.failures) <= {"ConnectionError", "SSLError"}
    record(
        f"the front's settings are applied {reloads} times",
        "nginx answered the requests in progress, and closed the other connections",
        traffic,
    )
