"""Clients of the front: tokens, limits, and the clients that people use."""

import asyncio
import json
import shutil
import ssl
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from botocore.exceptions import ClientError
from google.api_core.exceptions import ServiceUnavailable
from google.api_core.exceptions import Unauthorized as GoogleUnauthorized

from scripts.launcher.front import Front
from scripts.launcher.server import Server
from sentiment_client import (
    AsyncSentimentClient,
    CertificateFailed,
    ManagementClient,
    RateLimited,
    SentimentClient,
    Unauthorized,
)
from tests.integration import hosted
from tests.integration.fronts import (
    GOOD,
    NEEDS_NGINX,
    TOKEN,
    Send,
    client_of,
    connection,
    error_type,
    fronting,
    sending,
)
from tests.integration.load import held_up, together, wait_until

pytestmark = NEEDS_NGINX


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
    front: Front, management: ManagementClient, monkeypatch: pytest.MonkeyPatch
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
    # A full queue is answered in the same way as a missing worker.
    management.scale(0)
    try:
        for client, kind in (
            ("aws", ClientError),
            ("openai", openai.InternalServerError),
            ("azure", HttpResponseError),
            ("google", ServiceUnavailable),
        ):
            with pytest.raises(kind, match="No worker is free"):
                ask(client, TOKEN)
    finally:
        management.scale(1)


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
