"""The front passes on the routes of the service, and no others."""

import pytest
import requests

from scripts.launcher.front import Front
from scripts.launcher.server import Server
from tests.integration.fronts import GOOD, NEEDS_NGINX, Send, error_type, raw

pytestmark = NEEDS_NGINX


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
