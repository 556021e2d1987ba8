"""What the front logs, and that no text is in it."""

from pathlib import Path

from scripts.launcher.front import Front
from scripts.launcher.server import Server
from tests.integration.fronts import GOOD, JSON, NEEDS_NGINX, Send, entries, fronting, raw, sending
from tests.integration.load import wait_until

pytestmark = NEEDS_NGINX


# A word that must not be in any file that the front writes.
CANARY = "QUETZALCOATL"


def test_no_text_reaches_a_file(front: Front, server: Server, send: Send, tmp_path: Path) -> None:
    word = CANARY
    hidden = {
        **{"User-Agent": word, "Referer": f"https://{word}/", "Cookie": f"a={word}"},
        **{"X-Any": word, "Accept": word, "Traceparent": word, "X-Request-Id": f"a {word}"},
    }
    with fronting(server, tmp_path / "gone", backends="127.0.0.1:9") as gone:
        with fronting(server, tmp_path / "limited", requests_per_second="1") as limited:
            for other in (gone, limited):
                with sending(other, hidden) as send_to:
                    for _ in range(4):
                        send_to(f"/predictions/sentiment?text={word}", json={"text": word})
    for path in ("/predictions/sentiment", "/invocations", f"/{word}", f"/predictions/{word}"):
        for method in ("POST", "GET", word):
            for body in (word.encode(), f'{{"{word}": 1}}'.encode(), word.encode() * 30_000):
                send(f"{path}?text={word}", method, data=body, headers=hidden | JSON)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    send("/predictions/sentiment", data=f"text={word}%zz", headers=form)
    for request in (b"GET /%s \xff HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n%s\xff\r\n\r\n"):
        raw(front, request % word.encode())
    with sending(front, {"Authorization": f"Bearer {word}"}) as stranger:
        stranger("/predictions/sentiment", json={"text": word}, headers=hidden)
    files = [path for path in (*front.run.rglob("*"), *tmp_path.rglob("*")) if path.is_file()]
    assert front.access_log in files
    assert [path for path in files if word.encode() in path.read_bytes()] == []
    assert len(entries(front)) >= 40  # else the search proves nothing


def test_the_access_log_has_the_ids_of_a_request(front: Front, send: Send) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    ids = {"X-Request-Id": "order-42", "Traceparent": trace}
    good = send("/predictions/sentiment", json=GOOD, headers=ids)
    bad = send("/predictions/sentiment", data=b"{", headers=ids | JSON)
    wait_until(lambda: len(mine(front)) == 2)
    for answer, entry in zip((good, bad), mine(front), strict=True):
        assert answer.headers["X-Request-Id"] == entry["request_id"] == "order-42"
        assert answer.headers["X-Backend-Request-Id"] == entry["backend_request_id"]
        assert entry["traceparent"] == trace
        assert entry["status"] == answer.status_code
        assert entry["backend_status"] == str(answer.status_code)
        assert (entry["client"], entry["method"]) == ("the-tests", "POST")
        assert entry["route"] == "predictions"
        assert float(str(entry["backend_seconds"])) >= 0
    fresh = send("/predictions/sentiment", json=GOOD)
    assert len(fresh.headers["X-Request-Id"]) == 32


def mine(front: Front) -> list[dict[str, object]]:
    return [entry for entry in entries(front) if entry["request_id"] == "order-42"]
