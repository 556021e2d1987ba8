"""Each client with a server that fails; tests/integration has a server that works."""

import json
import pickle
import subprocess
import sys
from typing import Any

import pytest

import sentiment_client
from sentiment_client import (
    BackendFailed,
    Conflict,
    ConnectionFailed,
    Malformed,
    ManagementClient,
    NotAllowed,
    NotFound,
    Overloaded,
    RateLimited,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    Unsupported,
    Validation,
    WorkerDied,
    _answers,
    errors,
)
from tests.clients import KINDS, inner
from tests.unit.client_cases import ANSWER, OK, PREDICTION, Case, answers, error
from tests.unit.scripted_server import scripted


@pytest.mark.parametrize(
    ("status", "body", "kind", "says"),
    [
        (400, error("Malformed", "Not UTF-8."), Malformed, "Not UTF-8."),
        (422, error("Validation", "Blank."), Validation, "Blank."),
        (503, error("Unhealthy"), Unhealthy, "no"),
        (500, error("Backend"), BackendFailed, "no"),
        (413, b"", TooLarge, "max_request_size"),
        (415, b"", Unsupported, "no reason"),
        (409, b"", Conflict, "no reason"),
        (408, b"", TimedOut, "no reason"),
        (425, b"", Overloaded, "no reason"),
        (429, b"slow down", RateLimited, "no reason"),
        (500, b"", WorkerDied, "no reason"),
        (507, b'{"code": 507, "message": "Worker died."}', WorkerDied, "Worker died."),
        (502, b"<html>Bad Gateway</html>", ConnectionFailed, "no reason"),
        (504, b"<html>Gateway Time-out</html>", TimedOut, "no reason"),
        (400, b'{"code": 400, "type": "InvalidKeyException", "message": "T"}', Unauthorized, "T"),
        (404, b'{"code": 404, "type": "ModelNotFoundException", "message": "M"}', NotFound, "M"),
        (405, b'{"code": 405, "type": "MethodNotAllowed", "message": "D"}', NotAllowed, "D"),
        (503, b'{"code": 503, "type": "X", "message": "no worker"}', Overloaded, "no worker"),
        (422, b'["not", "an object"]', Validation, "no reason"),
        (422, b"[" * 100_000, Validation, "no reason"),
        (418, b"{}", BackendFailed, "no reason"),
    ],
)
def test_every_status_raises_its_error(
    status: int, body: bytes, kind: type[SentimentError], says: str
) -> None:
    error = _answers.from_answer(status, body)
    assert type(error) is kind
    assert error.status == status
    assert says in error.message
    assert str(error).endswith(f"(HTTP {status})")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"sentiment": "POSITIVE"}', b""])
def test_another_service_at_the_address_is_recognized(case: Case, body: bytes) -> None:
    with case.connected((200, body)) as (_, client):
        with pytest.raises(UnexpectedAnswer):
            client.predict("good")
        with pytest.raises(UnexpectedAnswer):
            client.predict_many(["good"])


@pytest.mark.parametrize("body", [b"{}", b"[]", b"3", b'[{"modelName": "x"}]', b"<html>"])
def test_another_service_at_the_management_address_is_recognized(body: bytes) -> None:
    with scripted((200, body)) as server, ManagementClient(server.address) as management:
        with pytest.raises(UnexpectedAnswer):
            management.describe()
        with pytest.raises(UnexpectedAnswer):
            management.list()


@pytest.mark.parametrize(
    ("entry", "kind", "status", "says"),
    [
        ({"error_type": "Unhealthy", "error": "none"}, Unhealthy, 503, "none"),
        ({"error_type": "Validation"}, Validation, 422, "no reason"),
        ({"error_type": "Malformed", "error": None}, Malformed, 400, "no reason"),
        ({"error_type": "New", "error": "x"}, BackendFailed, 500, "x"),
        ({"error_type": ["odd"], "error": "x"}, BackendFailed, 500, "x"),
    ],
)
def test_an_entry_without_a_prediction_is_an_error_whatever_it_lacks(
    case: Case, entry: dict[str, Any], kind: type[SentimentError], status: int, says: str
) -> None:
    with case.connected(answers(ANSWER, entry)) as (_, client):
        good, bad = client.predict_many(["a", "b"])
    assert good == PREDICTION
    assert type(bad) is kind
    assert isinstance(bad, SentimentError)
    assert bad.status == status
    assert says in bad.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    ("location", "says"),
    [
        (
            "https://joe:s3cret@example.com/predictions/sentiment?k=s3cret",
            "to https://example.com:",
        ),
        ("/login", "/login:"),
        ("//example.com/x#s3cret", "to http://example.com/x:"),
        ("http://[", "without saying where"),
        ("", "without saying where"),
    ],
)
def test_a_redirect_is_an_error_that_names_its_target(
    http_case: Case, status: int, location: str, says: str
) -> None:
    with http_case.connected((status, b"", {"Location": location})) as (server, client):
        with pytest.raises(errors.Redirected) as caught:
            client.predict("good")
        assert len(server.requests) == 1
    assert says in caught.value.message
    assert caught.value.status == status
    assert "s3cret" not in str(caught.value)


def test_a_redirect_of_grpc_or_of_the_management_address_is_an_error() -> None:
    with Case("grpc").connected((302, b"")) as (server, client):
        with pytest.raises(errors.Redirected):
            client.predict("good")
        assert len(server.requests) == 1
    with scripted((301, b"", {"Location": "https://example.com"})) as server:
        with ManagementClient(server.address) as management:
            with pytest.raises(errors.Redirected, match=r"https://example\.com"):
                management.describe()
        assert len(server.requests) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_version_is_sent_and_printed(kind: str) -> None:
    with Case(kind).connected(OK) as (server, client):
        client.predict("good")
    headers = {name.lower(): value for name, value in server.requests[0][2].items()}
    assert f"sentiment-client/{sentiment_client.__version__}" in headers["user-agent"]


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": (1, float("nan"))},
        {"max_retries": -1},
        {"max_concurrency": 0},
    ],
)
def test_options_that_cannot_be_used_are_refused(case: Case, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(?i)timeout|max_"):
        case.client("127.0.0.1", **options)


@pytest.mark.parametrize(
    ("kind", "variable", "port"),
    [
        ("rest", "SENTIMENT_ADDRESS", 8080),
        ("async", "SENTIMENT_ADDRESS", 8080),
        ("grpc", "SENTIMENT_GRPC_ADDRESS", 7070),
    ],
)
def test_the_address_is_an_argument_or_the_environments_or_the_default(
    monkeypatch: pytest.MonkeyPatch, kind: str, variable: str, port: int
) -> None:
    def address(*written: str) -> str:
        with Case(kind).client(*written) as client:
            return inner(client)._transport.address.removeprefix("http://")

    for unset in ("", "  "):
        monkeypatch.setenv(variable, unset)
        assert address() == address("") == f"127.0.0.1:{port}"
    monkeypatch.setenv(variable, "10.0.0.7")
    assert address() == f"10.0.0.7:{port}"
    assert address("10.0.0.8:1") == "10.0.0.8:1"


def test_register_waits_for_the_version_that_the_server_names() -> None:
    """Not for another version, which a second client may register at the same time."""
    status = 'Model "mine" Version: 2.0 registered with 0 initial workers. Use scale workers API.'
    steps = [(200, json.dumps({"status": status}).encode()), *[(404, b"{}")] * 2]
    with scripted(*steps) as server, ManagementClient(server.address) as management:
        with pytest.raises(NotFound):
            management.register("mine.mar", wait=0)
    assert [path.partition("?")[0] for _, path, *_ in server.requests] == [
        "/models",
        "/models/mine/2.0",
    ]


def version(name: str, number: str, archive: str) -> dict[str, Any]:
    numbers = {"minWorkers": 0, "maxWorkers": 0, "batchSize": 1, "maxBatchDelay": 1}
    return {
        "modelName": name,
        "modelVersion": number,
        "modelUrl": archive,
        "workers": [],
        **numbers,
    }


def test_a_registered_archive_that_starts_workers_is_found_by_its_file_name() -> None:
    versions = [version("a", "1.0", "old.mar"), version("a", "2.0", "new.mar")]
    listed = {"models": [{"modelName": "a", "modelUrl": "old.mar"}]}
    status = b'{"status": "Processing worker updates..."}'
    steps = (200, status), (200, json.dumps(listed).encode()), (200, json.dumps(versions).encode())
    with scripted(*steps, (404, b"{}")) as server, ManagementClient(server.address) as management:
        with pytest.raises(NotFound):
            management.register("new.mar", wait=0)
        assert server.requests[-1][1].startswith("/models/a/2.0")
    with scripted(*steps) as server, ManagementClient(server.address) as management:
        with pytest.raises(UnexpectedAnswer, match="describe_all"):
            management.register("other.mar")


def test_importing_it_pulls_in_nothing_but_requests() -> None:
    def imported_by(module: str) -> set[str]:
        code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
        run = [sys.executable, "-c", code]
        return set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())

    added = imported_by("sentiment_client") - imported_by("requests")
    assert added - set(sys.stdlib_module_names) == {"sentiment_client"}


def test_every_public_error_is_exported_and_drawn_in_the_tree() -> None:
    public = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SentimentError)
    }
    assert "Malformed" in public
    for name, value in public.items():
        assert name in (errors.__doc__ or "")
        assert getattr(sentiment_client, name) is value
    assert sorted(sentiment_client.__all__) == sentiment_client.__all__
