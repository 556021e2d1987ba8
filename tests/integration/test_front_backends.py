"""Several TorchServes behind one front."""

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from scripts.launcher.front import Front
from scripts.launcher.server import Server
from tests.conftest import running
from tests.integration.fronts import GOOD, NEEDS_NGINX, entries, error_type, fronting, sending
from tests.integration.load import wait_until

pytestmark = NEEDS_NGINX


def test_no_request_fails_when_one_of_two_back_ends_is_killed(
    archive: Path, server: Server, tmp_path: Path
) -> None:
    with running(archive, tmp_path) as second:
        java = second.java()
        assert java is not None
        backends = [urlsplit(s.properties.inference).netloc for s in (server, second)]
        with fronting(server, tmp_path / "front", backends=" ".join(backends)) as front:
            stop = threading.Event()

            def load() -> list[int]:
                with sending(front, {}) as send:
                    statuses = []
                    while not stop.is_set():
                        statuses.append(send("/predictions/sentiment", json=GOOD).status_code)
                    return statuses

            with ThreadPoolExecutor(16) as pool:
                loads = [pool.submit(load) for _ in range(16)]
                served = {str(entry["backend"]) for entry in busy(front, len(backends))}
                java.kill()
                java.wait()
                killed = len(entries(front))
                wait_until(lambda: len(entries(front)) > killed + 200)
                stop.set()
                statuses = [status for finished in loads for status in finished.result()]
            assert served == set(backends)
            assert set(statuses) == {200}
            # Some were on their way to the one that was killed.
            assert any(", " in str(entry["backend"]) for entry in entries(front))


def test_a_request_that_kills_servers_gets_two_of_them(server: Server, tmp_path: Path) -> None:
    """The back ends die of every request: they accept it, read it and close the connection."""
    deaths: list[int] = []

    def die(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.recv(65536)
                deaths.append(listener.getsockname()[1])
                peer.close()

    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        for listener in listeners:
            threading.Thread(target=die, args=[listener], daemon=True).start()
        backends = " ".join(f"127.0.0.1:{listener.getsockname()[1]}" for listener in listeners)
        with fronting(server, tmp_path, backends=backends) as front, sending(front, {}) as send:
            answer = send("/predictions/sentiment", json=GOOD)
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
    assert (answer.status_code, error_type(answer)) == (502, "Unhealthy")
    assert len(deaths) == len(set(deaths)) == 2


def busy(front: Front, backends: int) -> list[dict[str, object]]:
    """The access log, once all back ends have answered requests."""
    wait_until(
        lambda: len({e["backend"] for e in entries(front)}) == backends and len(entries(front)) > 64
    )
    return entries(front)
