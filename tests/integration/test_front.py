"""The front: a real nginx before a real TorchServe."""

import asyncio
import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import psutil
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from botocore.exceptions import ClientError
from google.api_core.exceptions import Unauthorized as GoogleUnauthorized

from scripts.launcher.front import TEMPLATES, Front, nginx_command
from scripts.launcher.ports import free_ports
from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from sentiment_client import (
    AsyncSentimentClient,
    CertificateFailed,
    ManagementClient,
    RateLimited,
    SentimentClient,
    Unauthorized,
    Unhealthy,
)
from tests.conftest import running
from tests.integration import hosted
from tests.integration.load import HOLDING, held_up, together, wait_until

pytestmark = pytest.mark.skipif(
    nginx_command() is None, reason="needs nginx: apt-get install nginx"
)

TOKEN = "0123456789abcdef" * 4
BEARER = {"Authorization": f"Bearer {TOKEN}"}
JSON = {"Content-Type": "application/json"}
GOOD = {"text": "A gripping, beautifully shot film."}
# A word that must not be in any file that the front writes.
CANARY = "QUETZALCOATL"


@contextmanager
def fronting(server: Server, run: Path, **settings: str) -> Iterator[Front]:
    """Start a front with some `settings`, and always stop it."""
    (port,) = free_ports(1)
    defaults = Properties.read(TEMPLATES / "front.properties")
    values = defaults.values | {"listen": f"127.0.0.1:{port}"} | settings
    front = Front(Properties(defaults.path, values), server, run)
    try:
        front.start()
        yield front
    finally:
        front.stop()


@pytest.fixture(scope="module")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clients") / "clients.conf"
    path.write_text(f"{TOKEN} the-tests;\n")
    return path


@pytest.fixture(scope="module")
def front(
    server: Server, clients: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    """A front with one known client, before the server that all tests share."""
    with fronting(server, tmp_path_factory.mktemp("front"), clients=str(clients)) as started:
        yield started


Send = Callable[..., requests.Response]


@pytest.fixture
def send(front: Front) -> Iterator[Send]:
    with sending(front, BEARER) as send:
        yield send


@contextmanager
def sending(front: Front, headers: dict[str, str]) -> Iterator[Send]:
    """A function that sends a request to a path of the front."""
    with requests.Session() as session:
        session.verify = str(front.certificate)
        session.headers.update(headers)
        session.trust_env = False

        def send(path: str, method: str = "POST", **options: object) -> requests.Response:
            return session.request(method, front.address + path, timeout=60, **options)  # type: ignore[arg-type]

        yield send


def error_type(answer: requests.Response) -> str:
    """The type of an error, which is the contract's JSON and nothing else."""
    assert answer.headers["Content-Type"] == "application/json"
    fields = answer.json()
    assert set(fields) == {"error", "error_type"}
    assert fields["error"].endswith((".", "}"))
    return str(fields["error_type"])


def raw(front: Front, request: bytes, *, token: bool = True) -> tuple[int, dict[str, str]]:
    """Send bytes as they are over TLS; returns the status and the JSON of the answer."""
    with connection(front) as tls:
        line, _, rest = request.partition(b"\r\n")
        authorization = b"Authorization: Bearer %s\r\n" % TOKEN.encode() if token else b""
        tls.sendall(line + b"\r\nHost: localhost\r\n" + authorization + rest)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
            piece = tls.recv(65536)
            if not piece:
                break
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@contextmanager
def connection(front: Front) -> Iterator[ssl.SSLSocket]:
    context = ssl.create_default_context(cafile=str(front.certificate))
    port = urlsplit(front.address).port
    with socket.create_connection(("127.0.0.1", port or 443), timeout=60) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            yield tls


def entries(front: Front) -> list[dict[str, object]]:
    """The access log."""
    return [json.loads(line) for line in front.access_log.read_text().splitlines()]


# --- Routes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predictions/sentiment", GOOD),
        ("/predictions/sentiment/", GOOD),
        ("/predictions/sentiment/1.0", GOOD),
        (
            "/predictions/sentiment/1.0/v2/documents:analyzeSentiment",
            {"document": {"content": "Ok"}},
        ),
        (
            "/predictions/sentiment/1.0/language/:analyze-text",
            {
                "kind": "SentimentAnalysis",
                "analysisInput": {"documents": [{"id": "1", "text": "Ok"}]},
            },
        ),
        (
            "/predictions/sentiment/1.0/text/analytics/v3.1/sentiment",
            {"documents": [{"id": "1", "text": "Ok"}]},
        ),
        ("/predictions/sentiment/1.0/predict", {"inputs": "I like you."}),
        ("/explanations/sentiment", {"text": "Superb acting"}),
        ("/explanations/sentiment/1.0", {"text": "Superb acting"}),
        ("/sentiment/predict", {"inputs": "I like you."}),
        ("/invocations", {"inputs": "I like you.", "parameters": {}}),
        ("/invocations?model_name=sentiment", {"inputs": "I like you."}),
        ("/v1/models/sentiment:predict", {"instances": ["I like you."]}),
        (
            "/v2/models/sentiment/infer",
            {"inputs": [{"name": "t", "shape": [1], "datatype": "BYTES", "data": ["Good."]}]},
        ),
    ],
)
def test_each_route_gives_the_answer_of_torchserve(
    send: Send, server: Server, path: str, body: object
) -> None:
    through = send(path, json=body)
    direct = requests.post(server.properties.inference + path, json=body, timeout=60)
    assert (through.status_code, through.json()) == (200, direct.json())


def test_routes_without_a_body(send: Send) -> None:
    assert send("/ping", "GET").json() == {"status": "Healthy"}
    assert send("/predictions/sentiment/1.0/info", "GET").json()["model"] == "sentiment"
    assert "openapi" in send("/predictions/sentiment/1.0/openapi.json", "GET").json()
    page = send("/predictions/sentiment", "GET", headers={"Accept": "text/html"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "target",
    [
        *("/", "/api-description", "/metrics", "/models", "/models/sentiment", "/workflows"),
        *("/token?type=inference", "/predictions/other", "/explanations/other", "/error"),
        *("/models/sentiment/invoke", "/v1/models/other:predict", "/v2/health/live"),
        *("/v1/models/sentiment:explain", "/predictions/sentiment/1.0/../../../models"),
        *("/predictions/sentiment%0a", "/predictions/sentiment/1.0/a%0d%0aX:y", "/INVOCATIONS"),
        *("/predictions/sentiment/1.0%20HTTP/1.1", "/predictions/sentiment%2f..%2f..%2fmodels"),
    ],
)
def test_every_other_path_is_a_404(front: Front, target: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        request = f"{method} {target} HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
        status, answer = raw(front, request.encode())
        assert (status, answer["error_type"]) == (404, "NotFound")


def test_a_path_reaches_torchserve_as_it_was_matched(front: Front) -> None:
    """TorchServe itself would not take this for /predictions/sentiment."""
    target = b"/models/sentiment/invoke/../../../%70redictions//sentiment"
    head = b"POST %s HTTP/1.1\r\nContent-Length: 4\r\n" % target
    status, answer = raw(front, head + b"Content-Type: text/plain\r\n\r\nGood")
    assert (status, answer["sentiment"]) == (200, "POSITIVE")


def test_other_methods_are_refused(send: Send) -> None:
    for path, methods in {
        "/predictions/sentiment": "GET, HEAD, POST, PUT",
        "/v1/models/sentiment:predict": "POST",
        "/ping": "GET, HEAD",
    }.items():
        for method in ("OPTIONS", "DELETE", "BREW"):
            answer = send(path, method)
            assert (answer.status_code, answer.headers["Allow"]) == (405, methods)
            assert error_type(answer) == "NotAllowed"


def test_another_model_cannot_be_named_in_the_query(send: Send) -> None:
    body = {"inputs": "I like you."}
    expected = send("/invocations?model_name=sentiment", json=body).json()
    for query in ("model_name=other", "x=1&model_name=other", "a=%0d%0a"):
        assert send(f"/invocations?{query}", json=body).json() == expected
    other = send("/predictions/sentiment/9.9", json=GOOD)
    assert (other.status_code, error_type(other)) == (404, "NotFound")


# --- Errors -------------------------------------------------------------------------------------


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


# --- Clients ------------------------------------------------------------------------------------


def client_of(front: Front, token: str | None = TOKEN, **options: int) -> SentimentClient:
    return SentimentClient(front.address, token=token, verify=str(front.certificate), **options)  # type: ignore[arg-type]


def test_clients_work_through_it(front: Front) -> None:
    with client_of(front) as client:
        texts = ["Great!", "", "Awful."] * 40
        labels = [getattr(result, "label", None) for result in client.predict_many(texts)]
        assert labels == ["POSITIVE", None, "NEGATIVE"] * 40

    async def ask() -> str:
        address, certificate = front.address, str(front.certificate)
        async with AsyncSentimentClient(address, token=TOKEN, verify=certificate) as client:
            return (await client.predict("Great!")).label

    assert asyncio.run(ask()) == "POSITIVE"
    with SentimentClient(front.address, token=TOKEN) as stranger:
        with pytest.raises(CertificateFailed):
            stranger.predict("Great!")


def test_hosted_services_clients_work_through_it(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their key is the token of the front, whose errors they raise as their own exceptions."""
    certificate = str(front.certificate)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certificate)
    tls = ssl.create_default_context(cafile=certificate)

    def ask(client: str, key: str) -> Any:
        """What a new client makes of a good text."""
        address, text = front.address, GOOD["text"]
        match client:
            case "aws":
                with hosted.comprehend(address, key, verify=certificate) as aws:
                    return aws.detect_sentiment(Text=text, LanguageCode="en")["Sentiment"]
            case "openai":
                http = httpx.Client(verify=tls)
                with hosted.moderations(address, key, http_client=http) as moderations:
                    return moderations.moderations.create(input=text).results[0].flagged
            case "azure":
                with hosted.azure(address, key, connection_verify=certificate) as azure:
                    return azure.analyze_sentiment([text])[0].sentiment
            case _:
                document = {"content": text, "type_": "PLAIN_TEXT"}
                with hosted.google(address, key) as google:
                    answer = google.analyze_sentiment(document=document, retry=None)
                    return answer.document_sentiment.score > 0.5

    for client, label, kind in (
        ("aws", "POSITIVE", ClientError),
        ("openai", False, openai.AuthenticationError),
        ("azure", "positive", ClientAuthenticationError),
        ("google", True, GoogleUnauthorized),
    ):
        assert ask(client, TOKEN) == label
        with pytest.raises(kind, match="The token is missing or unknown"):
            ask(client, "wrong")


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")
def test_curl_works_through_it(front: Front, tmp_path: Path) -> None:
    review = tmp_path / "review.txt"
    review.write_text("Great & fun!")
    url = f"{front.address}/predictions/sentiment"
    curl = ["curl", "--silent", "--fail", "--noproxy", "*", "--cacert", str(front.certificate)]
    for options in (
        ["--json", '{"text": "Great & fun!"}'],
        ["-T", str(review)],
        ["-F", f"text=@{review}"],
        ["--data-urlencode", f"text@{review}"],
        ["-H", "Expect: 100-continue", "-H", "Transfer-Encoding: chunked", "-T", str(review)],
    ):
        run = [*curl, "-H", f"Authorization: Bearer {TOKEN}", *options, url]
        answer = subprocess.run(run, capture_output=True, check=True).stdout
        assert json.loads(answer)["sentiment"] == "POSITIVE"


def test_a_client_needs_a_known_token(front: Front, clients: Path) -> None:
    for token in (None, "wrong", TOKEN[:-1], TOKEN + "0"):
        with client_of(front, token) as client, pytest.raises(Unauthorized) as caught:
            client.predict("good")
        assert caught.value.status == 401
    with sending(front, {}) as send:
        refused = send("/predictions/sentiment", json=GOOD)
        assert (error_type(refused), refused.headers["WWW-Authenticate"]) == (
            "Unauthorized",
            "Bearer",
        )
        assert send("/ping", "GET").status_code == 200
        # The page needs none; with a body, it would be a prediction.
        page = {"Accept": "text/html"}
        assert send("/predictions/sentiment", "GET", headers=page).status_code == 200
        for options in ({"data": b"x"}, {"data": iter([b"x"])}):
            answer = send("/predictions/sentiment", "GET", headers=page, **options)
            assert answer.status_code == 401
        # Clients of hosted services send their key elsewhere.
        for headers in (
            {"Authorization": f"AWS4-HMAC-SHA256 Credential={TOKEN}/20240101/x, Signature=y"},
            {"Ocp-Apim-Subscription-Key": TOKEN},
            {"x-goog-api-key": TOKEN},
        ):
            answer = send("/predictions/sentiment", json=GOOD, headers=headers)
            assert answer.status_code == 200

    another = "f" * 64
    known = clients.read_text()
    clients.write_text(f"{known}{another} another;\n")
    front.reload()
    with sending(front, {"Authorization": f"Bearer {another}"}) as send:
        wait_until(lambda: send("/predictions/sentiment", json=GOOD).status_code == 200)
        clients.write_text(known)
        front.reload()
        wait_until(lambda: send("/predictions/sentiment", json=GOOD).status_code == 401)


def test_a_slow_client_does_not_reach_torchserve(front: Front, server: Server, send: Send) -> None:
    java = server.java()
    assert java is not None
    body = json.dumps(GOOD).encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connection(front)) for _ in range(30)]
        for tls in slow:
            head = f"POST /predictions/sentiment HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
            tls.sendall(f"{head}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
        for byte in body[:-1]:
            for tls in slow:
                tls.sendall(bytes([byte]))
        port = urlsplit(server.properties.inference).port
        open_connections = [
            c for c in java.connections("tcp") if c.laddr.port == port and c.status == "ESTABLISHED"
        ]
        assert len(open_connections) < len(slow)
        assert send("/predictions/sentiment", json=GOOD).status_code == 200
        for tls in slow:
            tls.sendall(body[-1:])
            assert tls.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_above_its_rate_gets_a_429(server: Server, tmp_path: Path) -> None:
    with fronting(server, tmp_path, requests_per_second="1") as front:
        with sending(front, {}) as send:
            answers = [send("/predictions/sentiment", json=GOOD) for _ in range(6)]
            refused = [answer for answer in answers if answer.status_code != 200]
            assert {(a.status_code, error_type(a)) for a in refused} == {(429, "RateLimited")}
            assert {a.headers["Retry-After"] for a in refused} == {"1"}
        with client_of(front, None, max_retries=0) as client, pytest.raises(RateLimited):
            client.predict_many(["good"] * 500)  # eight requests
        with client_of(front, None) as client:  # waits as it is told
            assert client.predict("Great!").label == "POSITIVE"


def test_a_client_with_too_many_requests_at_once_gets_a_429(server: Server, tmp_path: Path) -> None:
    with fronting(server, tmp_path, concurrent_requests="2") as front:
        holding = held_up(f"{server.properties.inference}/predictions/sentiment")

        def predict() -> int:
            with sending(front, {}) as send:
                return send("/predictions/sentiment", json=GOOD).status_code

        answers = together([predict] * 6)
        holding.join()
        assert set(answers) == {200, 429}


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
    assert len(entries(front)) > 40  # else the search proves nothing


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


# --- Several back ends --------------------------------------------------------------------------


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
