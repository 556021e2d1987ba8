"""Every error that a client of the front gets is the contract's JSON."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests

from scripts.launcher.front import Front
from scripts.launcher.ports import free_ports
from scripts.launcher.server import Server
from sentiment_client import (
    ManagementClient,
    Unhealthy,
)
from tests.integration.fronts import (
    GOOD,
    JSON,
    NEEDS_NGINX,
    Send,
    client_of,
    error_type,
    fronting,
    raw,
    sending,
)
from tests.integration.load import HOLDING, wait_until

pytestmark = NEEDS_NGINX


def test_errors_of_the_handler_pass_unchanged(send: Send, server: Server) -> None:
    url = "/predictions/sentiment"
    for body, status in [
        (b"", 400),
        (b'{"text": "\\ud800"}', 400),
        (b'{"t\\u00e9xt\\r\\n": ""}', 422),
        (json.dumps({"texts": ["x"] * 65}).encode(), 413),
    ]:
        through = send(url, data=body, headers=JSON)
        direct = requests.post(
            server.properties.inference + url, data=body, headers=JSON, timeout=60
        )
        assert (through.status_code, through.content) == (status, direct.content)
        assert "x-error" not in direct.headers
        error_type(through)
    wrong_type = send(url, data=b"<a/>", headers={"Content-Type": "text/xml; charset=x"})
    assert (wrong_type.status_code, error_type(wrong_type)) == (415, "Unsupported")


def test_a_timeout_counts_from_the_front_on(send: Send, server: Server) -> None:
    """Of the same two requests, the one that came through the front was too long in the queue."""
    java = server.java()
    assert java is not None
    (worker,) = java.children()
    url, headers = "/predictions/sentiment", {"grpc-timeout": "1500m", "X-Request-Start": "t=1"}
    direct = server.properties.inference + url
    send(url, json=GOOD)  # connects
    with ThreadPoolExecutor(2) as pool:
        worker.suspend()
        try:
            late = pool.submit(send, url, json=GOOD, headers=headers)
            served = pool.submit(
                requests.post,
                *(direct, None, GOOD),
                headers={"grpc-timeout": "1500m"},
                timeout=60,
            )
            time.sleep(2)
        finally:
            worker.resume()
        assert (late.result().status_code, error_type(late.result())) == (504, "DeadlineExceeded")
        assert served.result().status_code == 200
    # What a client says about the moment of its arrival does not count.
    assert send(url, json=GOOD, headers=headers | {"grpc-timeout": "60S"}).status_code == 200


def test_a_body_that_is_too_large_is_a_413(front: Front, send: Send) -> None:
    limit = int(front.server.properties.values["max_request_size"])
    fitting = json.dumps(GOOD).ljust(limit)
    assert send("/predictions/sentiment", data=fitting, headers=JSON).status_code == 200
    for body in (fitting + " ", iter([fitting.encode(), b" "])):  # the second one is chunked
        answer = send("/predictions/sentiment", data=body, headers=JSON)
        assert (answer.status_code, error_type(answer)) == (413, "TooLarge")


def test_a_body_in_tiny_chunks_stays_in_memory(front: Front) -> None:
    """Else nginx would write it to a file, or fail where it may not."""
    limit = int(front.server.properties.values["max_request_size"])
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in json.dumps(GOOD).ljust(limit).encode())
    head = b"POST /predictions/sentiment HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
    content_type = b"Content-Type: application/json\r\n\r\n"
    assert raw(front, head + content_type + chunks + b"0\r\n\r\n")[0] == 200


def test_a_form_that_cannot_be_decoded_is_a_415(send: Send) -> None:
    for body in (b"text=%zz", b"text=%", b"text=%E"):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = send("/predictions/sentiment", data=body, headers=form)
        assert (answer.status_code, error_type(answer)) == (415, "Unsupported")


def test_requests_that_are_no_http_get_json(front: Front) -> None:
    path = b"/predictions/sentiment"
    length = b"Content-Length: 0\r\n\r\n"
    for request, status, kind in [
        (b"GET " + path + b"?" + b"a" * 5000 + b" HTTP/1.1\r\n" + length, 414, "TooLarge"),
        (b"GET %s HTTP/1.1\r\nX: %s\r\n%s" % (path, b"a" * 5000, length), 431, "TooLarge"),
        (b"GET %s HTTP/1.1\r\nAccept: \xfc\r\n%s" % (path, length), 400, "Malformed"),
        (b"GET /%%2e%%2e/%%2e%%2e/ HTTP/1.1\r\n" + length, 400, "Malformed"),
        (b"GET %s HTTP/1.1\r\nContent-Length: x\r\n\r\n" % path, 400, "Malformed"),
        (b"POST %s HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n" % path, 501, "Malformed"),
    ]:
        answer = raw(front, request)
        assert (answer[0], answer[1]["error_type"]) == (status, kind), request[:60]
    plain = requests.get(front.address.replace("https", "http") + "/ping", timeout=10)
    assert (plain.status_code, error_type(plain)) == (400, "Malformed")


def test_without_a_worker_it_is_a_503(
    send: Send, management: ManagementClient, front: Front
) -> None:
    management.scale(0)
    try:
        answer = send("/predictions/sentiment", json=GOOD)
        assert (answer.status_code, error_type(answer)) == (503, "Overloaded")
        assert int(answer.headers["Retry-After"]) > 0
    finally:
        management.scale(1)
    assert send("/predictions/sentiment", json=GOOD).status_code == 200


def test_a_worker_that_dies_is_a_500_that_the_client_retries(
    send: Send, front: Front, management: ManagementClient, url: str
) -> None:
    (worker,) = management.describe().workers
    process = psutil.Process(worker.pid)
    idle = process.cpu_times().user
    held = ThreadPoolExecutor(1).submit(send, "/predictions/sentiment", json=HOLDING)
    wait_until(lambda: process.cpu_times().user > idle + 0.2)
    process.kill()
    answer = held.result()
    assert answer.status_code in (500, 507)
    assert error_type(answer) == "WorkerDied"
    with client_of(front) as client:
        assert client.predict("Great!").label == "POSITIVE"


def test_a_back_end_that_is_gone_is_a_502(server: Server, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with fronting(server, tmp_path, backends=f"127.0.0.1:{port}") as front:
        with sending(front, {}) as send:
            answer = send("/predictions/sentiment", json=GOOD)
            assert (answer.status_code, error_type(answer)) == (502, "Unhealthy")
        with client_of(front, max_retries=0) as client, pytest.raises(Unhealthy):
            client.predict("good")
