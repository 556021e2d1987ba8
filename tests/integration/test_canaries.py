"""A client's text is in its answer and nowhere else, whatever becomes of the request."""

import contextlib
import json
import logging
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import GrpcSentimentClient, SentimentError
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest
from tests.conftest import running
from tests.integration.dialects import DIALECTS, NATIVE, Dialect

CANARY = "zebrafinch"
JSON = "application/json"


@pytest.fixture(scope="module")
def own_server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(archive, tmp_path_factory.mktemp("canaries")) as server:
        yield server


def traces(server: Server) -> dict[str, bytes]:
    """Where a text might be left: name -> content."""
    found = {"/metrics": requests.get(f"{server.properties.metrics}/metrics", timeout=20).content}
    java = server.java()
    assert java is not None
    for process in (java, *java.children(recursive=True)):
        for name in ("environ", "cmdline"):
            with contextlib.suppress(OSError):
                path = Path(f"/proc/{process.pid}/{name}")
                found[str(path)] = path.read_bytes()
    return found | files(server.run, Path(java.environ()["TMPDIR"]))


def files(*folders: Path) -> dict[str, bytes]:
    """The content of each file, but for the model's own."""
    return {
        str(path): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.stat().st_size < 10_000_000
    }


def assert_no_canary(found: dict[str, bytes]) -> None:
    assert any(content for content in found.values())
    assert not [name for name, content in found.items() if CANARY.encode() in content.lower()]


def bodies(dialect: Dialect) -> list[bytes]:
    """A good body of a dialect with the canary, and bad ones with it in every place."""
    good = json.dumps(dialect.body([f"A {CANARY} of a film.", f"{CANARY}!"]))
    fields: dict[str, Any] = json.loads(good)
    (name,) = list(fields)[:1]
    return [
        good.encode(),
        good[:-2].encode(),
        good.encode("utf-16"),
        json.dumps({**fields, CANARY: CANARY}).encode(),
        json.dumps({**fields, "parameters": {CANARY: CANARY, "top_k": CANARY}}).encode(),
        json.dumps({**fields, name: {CANARY: [CANARY]}}).encode(),
        json.dumps({**fields, "threshold": CANARY, "detail": CANARY, "labels": [CANARY]}).encode(),
        json.dumps({**fields, name: [CANARY, "\ud800", 3, None]}).encode(),
        json.dumps({**fields, name: [f"{CANARY} " * 6_000]}).encode(),
        json.dumps({**fields, name: [CANARY] * 65}).encode(),
    ]


def http_requests() -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Route, headers and body of each request that is sent over HTTP."""
    for dialect in DIALECTS.values():
        if dialect.route != "grpc":
            for body in bodies(dialect):
                yield dialect.route, {"Content-Type": dialect.content_type}, body
    text = CANARY.encode()
    form = "application/x-www-form-urlencoded"
    yield NATIVE, {"Content-Type": "text/plain"}, text
    yield NATIVE, {"Content-Type": "text/plain"}, text + b"\xff"
    yield NATIVE, {}, b'{"text": "' + text
    yield NATIVE, {"Content-Type": f"application/{CANARY}"}, text
    yield NATIVE, {"Content-Type": JSON, "Content-Encoding": CANARY}, text
    yield NATIVE, {"Content-Type": form}, b"text=" + text
    yield NATIVE, {"Content-Type": form}, b"text=" + text + b"%zz"
    yield NATIVE, {"Content-Type": form}, text
    yield NATIVE, {"Content-Type": "multipart/form-data; boundary=B"}, b"--B\r\n" + text
    yield NATIVE, {"Content-Type": JSON}, b'{"text": "' + text * 40_000 + b'"}'  # oversize
    yield f"{NATIVE}?text={CANARY}", {"Content-Type": JSON}, b'{"text": "good"}'
    yield f"{NATIVE}/{CANARY}", {"Content-Type": JSON}, b'{"text": "good"}'
    yield f"{NATIVE}/1.0/{CANARY}", {"Content-Type": JSON}, b'{"text": "good"}'
    yield f"/{CANARY}?{CANARY}", {"Content-Type": JSON}, b'{"text": "good"}'
    yield "/explanations/sentiment", {"Content-Type": JSON}, b'{"text": "a ' + text + b'"}'
    for name in ("X-Note", "X-Request-Id", "Accept", "User-Agent", "Authorization", "Cookie"):
        yield NATIVE, {"Content-Type": JSON, name: CANARY}, b'{"text": "good"}'


def test_no_request_leaves_its_text_anywhere(own_server: Server) -> None:
    statuses = set()
    for route, headers, body in http_requests():
        with contextlib.suppress(requests.ConnectionError):  # TorchServe resets an oversize body
            answer = requests.post(
                own_server.properties.inference + route, data=body, headers=headers, timeout=60
            )
            statuses.add(answer.status_code)
    assert {200, 400, 404, 413, 415, 422} <= statuses
    _, port = own_server.properties.ports()["grpc_inference_port"]
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = partial(
            channel.unary_unary,
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )
        for body in bodies(DIALECTS["gRPC"]):
            call(METHOD)(
                PredictionsRequest(model_name="sentiment", input={"data": body}), timeout=60
            )
        with pytest.raises(grpc.RpcError):
            call(METHOD)(PredictionsRequest(model_name=CANARY, input={"data": b"a"}), timeout=60)
    assert_no_canary(traces(own_server))


def test_a_client_that_is_slow_or_vanishes_leaves_no_text(own_server: Server) -> None:
    parts = urlsplit(own_server.properties.inference)
    body = json.dumps({"texts": [f"{CANARY} {n}" for n in range(60)]}).encode()
    head = f"POST {NATIVE} HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\n".encode()
    head += b"Content-Length: %d\r\n\r\n" % len(body)
    for sent in (head + body[:-20], head + body, head[:-2]):
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as raw:
            raw.sendall(sent)
            time.sleep(0.2)
    assert requests.post(
        own_server.properties.inference + NATIVE, json={"text": "good"}, timeout=60
    ).ok
    assert_no_canary(traces(own_server))


def test_no_error_of_the_client_and_no_retry_shows_a_text(
    own_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[SentimentError] = []

    def fails(call: Callable[[], object]) -> None:
        with pytest.raises(SentimentError) as caught:
            call()
        errors.append(caught.value)

    _, port = own_server.properties.ports()["grpc_inference_port"]
    with own_server.client() as rest, GrpcSentimentClient(f"127.0.0.1:{port}") as over_grpc:
        for client in (rest, over_grpc):
            fails(partial(client.predict, CANARY * 6_000))
            fails(partial(client.predict, CANARY + "\ud800"))
            fails(partial(client.predict, CANARY, labels=[CANARY, "other"]))
            results = client.predict_many([CANARY, CANARY * 6_000, float("nan"), CANARY.encode()])  # type: ignore[list-item]
            errors += [result for result in results if isinstance(result, SentimentError)]
        # The worker dies while it scores: the client waits for the next one, and says so.
        with own_server.management() as management, ThreadPoolExecutor(1) as pool:
            long = [f"{n} {CANARY} " + "word " * 600 for n in range(60)]
            scoring = pool.submit(rest.predict_many, long)
            time.sleep(0.4)
            psutil.Process(management.describe().workers[0].pid).kill()
            assert len(scoring.result()) == len(long)
    assert len(errors) == 12
    for error in errors:
        assert CANARY not in f"{error} {error!r} {error.args}"
        assert CANARY not in "".join(traceback.format_exception(error))
    assert "sentiment_client" in {record.name for record in caplog.records}
    assert CANARY not in caplog.text
    assert_no_canary(traces(own_server))


def test_no_crash_leaves_a_text(own_server: Server) -> None:
    """The last test of this server. A core file would hold what Java and the worker have read."""
    java = own_server.java()
    assert java is not None
    folders = (own_server.run, Path(java.environ()["TMPDIR"]))
    workers = java.children(recursive=True)
    assert workers
    for process in workers:
        assert process.rlimit(psutil.RLIMIT_CORE)[0] == 0
    with ThreadPoolExecutor(1) as pool:
        body = {"texts": [f"{n} {CANARY} " + "word " * 600 for n in range(60)]}
        sent = pool.submit(
            requests.post, own_server.properties.inference + NATIVE, json=body, timeout=60
        )
        time.sleep(0.4)
        os.kill(java.pid, signal.SIGSEGV)
        with contextlib.suppress(requests.RequestException):
            sent.result()
    psutil.wait_procs([java, *workers], timeout=60)
    found = files(*folders)
    assert any(Path(name).name.startswith("hs_err") for name in found)
    assert not any(Path(name).name.startswith("core") for name in found)
    assert_no_canary(found)
