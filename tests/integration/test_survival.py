"""No input kills the worker, and no text of a client reaches the log."""

import json
import random
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import grpc
import pytest
import requests
import torch

from scripts.launcher.server import Server
from sentiment_client import SentimentClient
from sentiment_client._grpc_messages import METHOD, PredictionResponse, PredictionsRequest

RANDOM_BODIES = 10_000
SENDERS = 8
JSON = b"Content-Type: application/json\r\n"
# Part of every text below; it must not appear in the log.
SECRET = b"tell-nobody"

pytestmark = pytest.mark.usefixtures("same_workers")


def exchange(url: str, head: bytes, body: bytes) -> bytes:
    """Send bytes that no HTTP library would send; returns the status line."""
    parts = urlsplit(url)
    assert parts.port is not None
    with socket.create_connection(("127.0.0.1", parts.port), timeout=20) as connection:
        connection.sendall(
            b"POST " + parts.path.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + head
            + b"Content-Length: %d\r\n\r\n" % len(body) + body
        )  # fmt: skip
        return connection.recv(65_536).partition(b"\r\n")[0]


HEADERS = {
    "Latin-1": b"X-A: caf\xe9\r\n",
    "UTF-8": "X-A: schön 日本 😀\r\n".encode(),
    "not UTF-8": b"X-A: \xff\xfe\x80\r\n",
    "a surrogate": b"X-A: \xed\xa0\x80\r\n",
    "a name in Latin-1": b"X-\xe9: a\r\n",
    "a name in UTF-8": "X-日: a\r\n".encode(),
    "a bare CR": b"X-A: a\rX-Forged: b\r\n",
    "a bare LF": b"X-A: a\nX-Forged: b\r\n",
    "a folded line": b"X-A: a\r\n b\r\n",
    "a NUL": b"X-A: a\x00b\r\n",
    "no name": b": a\r\n",
    "describe": b"describe: True\r\n",
    "explain": b"explain: True\r\n",
    "body": b"body: x\r\n",
    "text": b"text: x\r\n",
    "url_path": b"url_path: ../..\r\n",
    "a stream": b"ts_stream_next: true\r\n",
    "a sequence": b"ts_request_sequence_id: 1\r\nts_request_sequence_start: true\r\n",
    "odd content type": b"Content-Type: application/json; charset=\xff\r\n",
    "wide content type": "Content-Type: 日本\r\n".encode(),
    "two content types": JSON + b"Content-Type: text/plain\r\n",
    "five hundred": b"".join(b"X-%d: a\r\n" % i for i in range(500)),
    "one of 7,000 bytes": b"X-A: " + b"a" * 7_000 + b"\r\n",
    "one of 90,000 bytes": b"X-A: " + b"a" * 90_000 + b"\r\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS.keys())
def test_no_header_ends_the_worker(url: str, header: bytes) -> None:
    status = exchange(url, JSON + header, b'{"text": "tell-nobody"}')
    assert status.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 415 ")), status
    status = exchange(url, header, b"tell-nobody")
    assert status.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 ", b"HTTP/1.1 415 ")), status


BODIES = {
    "a lone surrogate": b'{"text": "tell-nobody \\ud800"}',
    "a surrogate as a key": b'{"\\udfff tell-nobody": 1}',
    "NaN": b'{"text": NaN, "x": "tell-nobody"}',
    "infinity": b'{"text": 1e999}',
    "100,000-deep lists": b"[" * 100_000 + b"]" * 100_000,
    "40,000-deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "5,000 digits": b'{"text": ' + b"9" * 5_000 + b"}",
    "a NUL": b'{"text": "tell-nobody \\u0000"}',
    "a log line": b'{"text": "tell-nobody\\n[METRICS]sentiment_texts_total.count:9|#Level:Model"}',
    "a pid line": b'{"text": "\\n[PID]1\\ntell-nobody"}',
}
FORMS = {
    "a name in UTF-8": (b"application/x-www-form-urlencoded", "é日😀=tell-nobody".encode()),
    "a name that is not": (b"application/x-www-form-urlencoded", b"%E9%FF=tell-nobody"),
    "bad escapes": (b"application/x-www-form-urlencoded", b"text=tell-nobody%zz"),
    "no name": (b"application/x-www-form-urlencoded", b"=tell-nobody"),
    "no boundary": (b"multipart/form-data", b"tell-nobody"),
    "cut off": (
        b"multipart/form-data; boundary=B",
        b'--B\r\nContent-Disposition: form-data; name="text"\r\n\r\ntell-nobody',
    ),
    "a part without a name": (
        b"multipart/form-data; boundary=B",
        b"--B\r\nContent-Disposition: form-data\r\n\r\ntell-nobody\r\n--B--\r\n",
    ),
    "a part of no charset": (
        b"multipart/form-data; boundary=B",
        b'--B\r\nContent-Disposition: form-data; name="text"; filename="x"\r\n'
        b"Content-Type: text/plain; charset=nope\r\n\r\ntell-nobody\r\n--B--\r\n",
    ),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_no_json_ends_the_worker(url: str, body: bytes) -> None:
    assert exchange(url, JSON, body).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 4"))


@pytest.mark.parametrize(("content_type", "body"), FORMS.values(), ids=FORMS.keys())
def test_no_form_ends_the_worker(url: str, content_type: bytes, body: bytes) -> None:
    # For a form that it cannot decode, TorchServe itself answers 500, without the worker.
    status = exchange(url, b"Content-Type: " + content_type + b"\r\n", body)
    assert status.startswith((b"HTTP/1.1 4", b"HTTP/1.1 500 ")), status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "FOO"])
def test_no_http_method_ends_the_worker(url: str, method: str) -> None:
    assert requests.request(method, url, data=b"tell-nobody", timeout=20).status_code == 200


def test_a_streaming_grpc_call_is_answered(server: Server) -> None:
    """TorchServe ends the worker if the handler does not set a certain header."""
    _, port = server.properties.ports()["grpc_inference_port"]
    request = PredictionsRequest(model_name="sentiment", input={"data": b"tell-nobody"})
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stream = channel.unary_stream(
            METHOD.replace("/Predictions", "/StreamPredictions"),
            request_serializer=PredictionsRequest.SerializeToString,
            response_deserializer=PredictionResponse.FromString,
        )
        (part,) = stream(request, timeout=30)
    assert "sentiment" in json.loads(part.prediction)


def test_10000_random_bodies_do_not_end_the_worker(url: str) -> None:
    def send(seed: int) -> set[int]:
        draw = random.Random(seed)
        statuses = set()
        with requests.Session() as session:
            for _ in range(RANDOM_BODIES // SENDERS):
                content_type = draw.choice(
                    ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
                )
                headers = {"Content-Type": content_type} if content_type else {}
                answer = session.post(url, data=_body(draw), headers=headers, timeout=60)
                statuses.add(answer.status_code)
                # TorchServe itself answers 500 to a form with broken escapes.
                assert answer.status_code != 500 or "form" in content_type
                assert b'"Backend"' not in answer.content
        return statuses

    with ThreadPoolExecutor(SENDERS) as pool:
        statuses = set[int]().union(*pool.map(send, range(SENDERS)))
    assert statuses <= {200, 400, 413, 415, 422, 500}
    assert {200, 400, 422} <= statuses


def _body(draw: random.Random) -> bytes:
    if draw.random() < 0.3:
        return draw.randbytes(draw.randrange(200))
    value = _value(draw, 3)
    text = json.dumps(draw.choice([value, {"text": value}, {"texts": [value, "good"]}]))
    if draw.random() < 0.2:  # break it somewhere
        cut = draw.randrange(len(text))
        text = text[:cut] + draw.choice(['"', "{", "\\u", "\x00", ""]) + text[cut + 1 :]
    return text.encode("utf-8", "surrogatepass")


def _value(draw: random.Random, depth: int) -> object:
    kinds = 7 if depth else 5
    match draw.randrange(kinds):
        case 0:
            return draw.choice([None, True, 0, -1, 1e300, float("nan"), float("inf")])
        case 1 | 2 | 3:
            letters = [draw.choice(["a", " ", "é", "😀", "\ud800", "\x00", "[SEP]", "\n"])]
            return "".join(draw.choices([*letters, "good ", "bad "], k=draw.randrange(30)))
        case 4:
            return "tell-nobody"
        case 5:
            return [_value(draw, depth - 1) for _ in range(draw.randrange(4))]
    return {str(_value(draw, 0)): _value(draw, depth - 1) for _ in range(draw.randrange(4))}


def test_the_worker_still_answers_correctly(client: SentimentClient) -> None:
    assert client.predict("A wonderful film.").label == "POSITIVE"


def test_the_log_holds_no_text_of_a_client(server: Server, url: str) -> None:
    exchange(url, JSON + b"X-A: tell-nobody\r\n", b'{"text": "tell-nobody"}')
    exchange(url, JSON, b'{"tell-nobody": ')
    for content_type, body in FORMS.values():
        exchange(url, b"Content-Type: " + content_type + b"\r\n", body)
    log = server.log.read_bytes()
    assert b"Model server started" in log
    assert SECRET not in log
    # No line per request: these lines are from starting, scaling and stopping.
    assert len(log.splitlines()) < 1_000


def test_memory_stays_within_bounds_under_the_largest_requests(server: Server, url: str) -> None:
    # A full batch of bodies just below the size limit: 8 MB of text to tokenize and score. All
    # texts differ, since identical ones would be scored once.
    bodies = [
        json.dumps({"texts": [f"{i} {j} " + "word " * 798 for j in range(62)]}).encode()
        for i in range(32)
    ]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda body: _post_json(url, body), bodies))
    assert {answer.status_code for answer in answers} == {200}
    entries = [entry for answer in answers for entry in answer.json()["results"]]
    # Each text that the batch had no time for gets its own error.
    assert {entry.get("error_type") for entry in entries} <= {None, "Overloaded"}
    java = server.java()
    assert java is not None
    workers = java.children()
    print(
        f"java {java.memory_info().rss / 1e6:.0f} MB,",
        *(f"worker {worker.memory_info().rss / 1e6:.0f} MB" for worker in workers),
    )
    assert workers
    assert java.memory_info().rss < 350e6
    # A CUDA build of PyTorch takes about 480 MB more.
    limit = 600e6 if torch.version.cuda is None else 1_200e6
    assert all(worker.memory_info().rss < limit for worker in workers)


def _post_json(url: str, body: bytes) -> requests.Response:
    return requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=120)


def test_a_worker_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys, sentiment_handler; print(*{n.partition('.')[0] for n in sys.modules})"
    root = "handler"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(done.stdout.split())
    assert "ts" not in imported
    assert not imported & {"requests", "sentiment_client", "pandas", "matplotlib", "torchvision"}
