"""What each client retries, how often, after which pauses, and what it logs."""

import logging
import re
import time

import grpc
import pytest

from scripts.paths import ROOT
from sentiment_client import (
    BackendFailed,
    BadAddress,
    ConnectionFailed,
    DeadlineExceeded,
    Malformed,
    ManagementClient,
    NotFound,
    Overloaded,
    RateLimited,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    UnexpectedAnswer,
    Unhealthy,
    Validation,
    WorkerDied,
    errors,
)
from sentiment_client._answers import BY_STATUS
from sentiment_client._retries import LONGEST_RETRY_AFTER, MAX_RETRIES, pause_before
from sentiment_client.errors import RETRY_RULES, retry_rule
from tests.unit.client_cases import (
    ANSWER,
    BAD_TOKEN,
    LATE,
    NO_WORKER,
    OK,
    PREDICTION,
    WORKER_DIED,
    WORKER_KILLED,
    Case,
    answer_all,
    answers,
    error,
)
from tests.unit.scripted_server import Answer, free_port, scripted


@pytest.mark.parametrize(
    "failure",
    [
        "reset",
        WORKER_DIED,
        WORKER_KILLED,
        (500, b""),
        NO_WORKER,
        (503, error("Overloaded")),
        (503, error("Unhealthy")),
        (429, b""),
        (502, b"<html>Bad Gateway</html>"),
    ],
)
def test_transient_failures_are_retried(case: Case, pauses: list[float], failure: Answer) -> None:
    with case.connected(failure, failure, OK, timeout=5) as (server, client):
        assert client.predict("good") == PREDICTION
    assert server.bodies == [b'{"text": "good"}'] * 3
    first, second = [pause for pause in pauses if pause >= 0.2]
    assert first < second


@pytest.mark.parametrize(
    ("failure", "attempts", "kind"),
    [
        ("reset", 6, ConnectionFailed),
        (NO_WORKER, 6, Overloaded),
        ((503, error("Unhealthy")), 6, Unhealthy),
        ((429, b""), 6, RateLimited),
        ((502, b""), 6, ConnectionFailed),
        ((504, b""), 2, TimedOut),
        ((504, error("DeadlineExceeded")), 1, DeadlineExceeded),
        (WORKER_DIED, 3, WorkerDied),
        (WORKER_KILLED, 3, WorkerDied),
        (BAD_TOKEN, 1, Unauthorized),
        ((404, b"{}"), 1, NotFound),
        ((413, b""), 1, TooLarge),
        # A defect of the service would fail again, with all neighbours in its batch.
        ((500, error("Backend")), 1, BackendFailed),
        ((503, error("Backend")), 1, BackendFailed),
        ((400, error("Malformed")), 1, Malformed),
        ((422, error("Validation")), 1, Validation),
        ((200, b"<html>"), 1, UnexpectedAnswer),
    ],
)
def test_retries_are_bounded_and_can_be_switched_off(
    case: Case, pauses: list[float], failure: Answer, attempts: int, kind: type[SentimentError]
) -> None:
    with case.connected(failure) as (server, client):
        with pytest.raises(kind) as caught:
            client.predict("good")
        assert type(caught.value) is kind
        assert caught.value.retryable is (attempts > 1)
        assert len(server.requests) == attempts
        with case.client(server.address, max_retries=0) as client, pytest.raises(kind):
            client.predict("good")
        assert len(server.requests) == attempts + 1


@pytest.mark.parametrize(("status", "kind"), [(408, TimedOut), (425, Overloaded)])
def test_other_statuses_of_proxies_are_retried(
    http_case: Case, pauses: list[float], status: int, kind: type[SentimentError]
) -> None:
    with http_case.connected((status, b""), OK) as (server, client):
        assert client.predict("good") == PREDICTION
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("failure", "attempts", "kind"),
    [
        ((grpc.StatusCode.UNAVAILABLE, "x"), 6, ConnectionFailed),
        ((grpc.StatusCode.UNAVAILABLE, "Prediction failed\nX"), 6, Overloaded),
        ((grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2"), 6, ConnectionFailed),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "quota"), 6, RateLimited),
        ((grpc.StatusCode.RESOURCE_EXHAUSTED, "Worker died."), 3, WorkerDied),
        ((grpc.StatusCode.INTERNAL, "Worker died."), 3, WorkerDied),
        ((grpc.StatusCode.DEADLINE_EXCEEDED, "x"), 2, TimedOut),
        ((grpc.StatusCode.PERMISSION_DENIED, "x"), 1, Unauthorized),
        ((grpc.StatusCode.UNIMPLEMENTED, "x"), 1, UnexpectedAnswer),
        ((grpc.StatusCode.INVALID_ARGUMENT, "x"), 1, Malformed),
        ((grpc.StatusCode.UNKNOWN, "x"), 1, BackendFailed),
    ],
)
def test_each_grpc_status_is_retried_by_its_rule(
    pauses: list[float],
    failure: tuple[grpc.StatusCode, str],
    attempts: int,
    kind: type[SentimentError],
) -> None:
    with Case("grpc").connected(failure) as (server, client):
        with pytest.raises(kind):
            client.predict("good")
        assert len(server.requests) == attempts


def test_a_worker_that_died_gets_the_time_to_restart(case: Case, pauses: list[float]) -> None:
    with case.connected(WORKER_DIED) as (_, client), pytest.raises(WorkerDied):
        client.predict("good")
    first, second = (pause for pause in pauses if pause > 1)
    assert 3.5 <= first <= 5.25
    assert 7 <= second <= 10.5


@pytest.mark.parametrize("texts", [1, 32, 64, 128])
def test_texts_that_kill_workers_are_not_retried_in_every_request(
    case: Case, pauses: list[float], texts: int
) -> None:
    """All requests are sent once; then only one is retried, twice, and the others fail with it."""
    with case.connected(WORKER_DIED) as (server, client):
        with pytest.raises(WorkerDied):
            client.predict_many(["deadly"] * texts)
        time.sleep(0.3)
        assert len(server.requests) == -(-texts // 32) + 2


def test_requests_succeed_on_retry_after_their_worker_died(case: Case, pauses: list[float]) -> None:
    first = [WORKER_DIED] * 4
    with case.connected(*first, answer_all) as (server, client):
        assert client.predict_many(["good"] * 128) == [PREDICTION] * 128
        assert len(server.requests) == 8


def test_a_client_with_a_management_address_waits_for_a_worker(
    case: Case, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    away, back = described(), described("READY")
    with case.scripted(WORKER_DIED, OK) as server, scripted(away, away, back) as management:
        with case.client(server.address, management=management.address) as client:
            assert client.predict("good") == PREDICTION
        assert len(management.requests) == 3
    assert "no worker is ready yet" in caplog.text


def described(*workers: str) -> Answer:
    """The management API's description of a model with workers in these states."""
    states = ", ".join(
        f'{{"id": "9000", "pid": 7, "status": "{state}", "memoryUsage": 0}}' for state in workers
    )
    return 200, (
        b'[{"modelName": "sentiment", "modelVersion": "1.0", "modelUrl": "sentiment.mar", '
        b'"minWorkers": 1, "maxWorkers": 1, "batchSize": 32, "maxBatchDelay": 1, '
        b'"workers": [%s]}]' % states.encode()
    )


def test_the_management_address_tells_why_a_request_is_refused(
    case: Case, pauses: list[float]
) -> None:
    for answer, kind in (
        (described(), Unhealthy),
        (described("READY"), Overloaded),
        ((500, b"{}"), Overloaded),
    ):
        with case.scripted(NO_WORKER) as server, scripted(answer) as management:
            with case.client(
                server.address, max_retries=0, management=management.address
            ) as client:
                with pytest.raises(kind) as caught:
                    client.predict("good")
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("header", "lowest", "highest"),
    [
        ("2", 2, 2),
        ("0", 0.2, 0.3),
        ("3600", LONGEST_RETRY_AFTER, LONGEST_RETRY_AFTER),
        ("Sun, 01 Jan 2090 00:00:00 GMT", LONGEST_RETRY_AFTER, 10),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 0.2, 0.3),
        ("soon", 0.2, 0.3),
        ("-5", 0.2, 0.3),
        ("", 0.2, 0.3),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_sets_the_pause(
    http_case: Case, pauses: list[float], status: int, header: str, lowest: float, highest: float
) -> None:
    with http_case.connected((status, b"", {"Retry-After": header}), OK) as (_, client):
        assert client.predict("good") == PREDICTION
    (pause,) = pauses
    assert lowest <= pause <= highest


def test_retries_are_logged_without_texts(
    case: Case, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    refusal = (503, error("Overloaded", "no room for tell-nobody"))
    with case.connected(refusal, WORKER_DIED, OK, token="s3cret") as (server, client):
        client.predict("tell-nobody")
    first, second = (record for record in caplog.records if record.name == "sentiment_client")
    address = server.address.removeprefix("http://")
    assert first.levelno == logging.WARNING
    assert f"{address}: Overloaded (HTTP 503); retry 1 of 5 in 0." in first.getMessage()
    assert f"{address}: WorkerDied (HTTP 50" in second.getMessage()
    assert "; retry 1 of 2 in " in second.getMessage()
    assert "s3cret" not in caplog.text
    assert "tell-nobody" not in caplog.text


def test_late_texts_are_sent_again_after_a_logged_pause(
    case: Case, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    steps = (answers(LATE, ANSWER, LATE), answers(ANSWER, LATE), answers(ANSWER))
    with case.connected(*steps) as (server, client):
        assert client.predict_many(["a", "b", "c"]) == [PREDICTION] * 3
    assert server.bodies == [
        b'{"texts": ["a", "b", "c"]}',
        b'{"texts": ["a", "c"]}',
        b'{"texts": ["c"]}',
    ]
    first, second = pauses
    assert 0.2 <= first < second
    assert caplog.text.count("Overloaded (HTTP 503); retry") == 2

    with case.connected(answers(ANSWER, LATE), answers(LATE), max_retries=2) as (server, client):
        good, late = client.predict_many(["a", "b"])
        assert len(server.requests) == 3
    assert good == PREDICTION
    assert type(late) is Overloaded


def test_results_are_kept_if_resending_late_texts_fails(case: Case, pauses: list[float]) -> None:
    with case.connected(answers(ANSWER, LATE), (404, b"{}")) as (server, client):
        good, late = client.predict_many(["a", "b"])
        assert len(server.requests) == 2
    assert good == PREDICTION
    assert isinstance(late, Overloaded)
    assert late.message == "no time"


def test_an_answer_that_never_comes_is_requested_once_more(case: Case, pauses: list[float]) -> None:
    with case.connected("silence", OK, timeout=0.5) as (server, client):
        assert client.predict("good") == PREDICTION
        assert len(server.requests) == 2
    with case.connected("silence", timeout=30) as (server, client):
        started = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            client.predict("good", timeout=0.2)
        assert time.monotonic() - started < 5
        assert len(server.requests) == 2
    assert caught.value.status is None


def test_a_server_that_does_not_listen_raises_connection_failed(
    case: Case, pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    with case.client(f"127.0.0.1:{free_port()}") as client:
        with pytest.raises(ConnectionFailed, match="is the server up"):
            client.predict("good")
    assert sum(pauses) < 10
    assert caplog.text.count("ConnectionFailed; retry ") == MAX_RETRIES


def test_an_unknown_host_is_not_retried(case: Case) -> None:
    with case.client("http://nonesuch.invalid") as client:
        started = time.monotonic()
        with pytest.raises(BadAddress, match="not known"):
            client.predict("good")
        assert time.monotonic() - started < 5


def test_requests_that_never_reached_the_server_are_retried(pauses: list[float]) -> None:
    with ManagementClient(f"127.0.0.1:{free_port()}") as management:
        with pytest.raises(ConnectionFailed):
            management.unregister("sentiment")
    assert len(pauses) == MAX_RETRIES
    with scripted("reset") as server, ManagementClient(server.address) as management:
        with pytest.raises(ConnectionFailed):
            management.unregister("sentiment")
        assert len(server.requests) == 1


def test_registering_is_not_retried() -> None:
    with scripted((503, b"{}")) as server:
        with ManagementClient(server.address) as management, pytest.raises(Overloaded):
            management.register("x.mar")
        assert [method for method, *_ in server.requests] == ["POST"]


def test_the_table_in_docs_clients_has_the_retry_rules() -> None:
    """The table of docs/clients.md, row by row: status, class, retries, first pause."""
    page = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+) \| `(\w+)` \| (\S+) \| (.*)\|$", page, re.MULTILINE)
    documented = {name: (status, retries, pause.strip()) for status, name, retries, pause in rows}
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, SentimentError):
            if kind is SentimentError:
                continue
            status, retries, pause = documented.pop(name)
            rule = retry_rule(kind)
            assert retries == ("`max_retries`" if rule.retries is None else str(rule.retries))
            assert pause == (f"{rule.pause} s" if retries != "0" else "")
            numbers = {number for number, by in BY_STATUS.items() if by is kind}
            assert numbers <= {int(number) for number in re.findall(r"\d{3}", status)}, name
    assert documented == {}


def test_pauses_double_and_vary() -> None:
    for kind, rule in RETRY_RULES.items():
        for retry in (1, 2, 3):
            pauses = {pause_before(kind, retry) for _ in range(20)}
            assert len(pauses) > 1
            base = rule.pause * 2 ** (retry - 1)
            assert base <= min(pauses) <= max(pauses) <= base * 1.5
