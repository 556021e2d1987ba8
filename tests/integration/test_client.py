"""Each client against a real server: the same tests for REST, asynchronous REST and gRPC."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from scripts.launcher.server import Server
from sentiment_client import (
    AsyncSentimentClient,
    Malformed,
    ManagementClient,
    NotFound,
    Overloaded,
    Prediction,
    SentimentError,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unhealthy,
    Validation,
)
from sentiment_client.cli import main
from sentiment_client.models import Result
from tests.clients import CLASSES, KINDS, Client, labels
from tests.conftest import running
from tests.integration.load import held_up
from tests.integration.texts import LABELS, TEXTS

Connect = Callable[..., Client]


def connected(kind: str, server: Server, **options: Any) -> Client:
    """A client of this kind, connected to `server`."""
    host, port = server.properties.ports()["grpc_inference_port"]
    address = f"{host}:{port}" if kind == "grpc" else server.properties.inference
    return CLASSES[kind](address, **options)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def connect(kind: str, server: Server) -> Connect:
    """Makes clients of the session's server."""
    return partial(connected, kind, server)


@pytest.fixture
def each_client(connect: Connect) -> Iterator[Client]:
    with connect() as client:
        yield client


def test_one_text(each_client: Client) -> None:
    result = each_client.predict("A gripping, beautifully shot film.")
    assert (result.label, result.tokens, result.truncated) == ("POSITIVE", 9, False)
    assert result.score == max(result.scores.values()) > 0.9


def test_a_ready_server_says_so_to_each_client(each_client: Client, connect: Connect) -> None:
    ready = each_client.ready()
    assert (ready.model, ready.version) == ("sentiment", "1.0")
    assert ready.engine in ("bf16", "int8", "fp32", "torch")
    with connect(version="1.0") as named:
        assert named.ready() == ready
    with connect(model="nonesuch") as other, pytest.raises(NotFound):
        other.ready()


def test_all_clients_get_the_same_prediction(server: Server) -> None:
    predictions = []
    for kind in KINDS:
        with connected(kind, server) as client:
            predictions.append(client.predict(TEXTS[0]))
    assert predictions == predictions[:1] * 3


def test_the_options_are_answered(each_client: Client) -> None:
    praise, criticism = "\U0001f3ac The acting is superb.", "The plot makes no sense at all."
    text = f"{praise} {criticism}"
    # Without NEUTRAL, a word that speaks against one label speaks for the other.
    polar = ["NEGATIVE", "POSITIVE"]
    options: Any = {"labels": polar, "sentences": True, "explain": True, "threshold": 1}
    detailed = each_client.predict(text, **options)
    assert (detailed.label, detailed.mixed, detailed.windows) == ("UNCERTAIN", True, 1)
    assert detailed.sentences
    assert detailed.words
    assert [text[part.start : part.end] for part in detailed.sentences] == [praise, criticism]
    assert [part.label for part in detailed.sentences] == ["UNCERTAIN"] * 2
    weights = {text[word.start : word.end]: word.weight for word in detailed.words}
    best = max(detailed.scores, key=detailed.scores.__getitem__)
    assert (weights["superb"] > 0 > weights["no"]) is (best == "POSITIVE")

    # A text's answer does not depend on its list, not even the weights of its words.
    many = each_client.predict_many([text, *TEXTS[:3]], **options)
    assert many[0] == detailed

    (chosen,) = each_client.predict_many(TEXTS[:1], labels=["NEGATIVE"])
    assert isinstance(chosen, Prediction)
    assert (chosen.label, chosen.scores) == ("NEGATIVE", {"NEGATIVE": 1})
    assert (chosen.mixed, chosen.sentences, chosen.words) == (None, None, None)
    for refused in ({"labels": ["NICE"]}, {"labels": "NEGATIVE"}, {"threshold": 2}):
        with pytest.raises(Validation):
            each_client.predict(text, **refused)


def test_a_long_text_is_read_in_windows(each_client: Client) -> None:
    result = each_client.predict("A gripping, beautifully shot film. " * 100)
    assert (result.label, result.windows, result.truncated) == ("POSITIVE", 2, False)


def test_many_texts_over_several_requests_come_back_in_order(each_client: Client) -> None:
    texts = [TEXTS[i % len(TEXTS)] for i in range(150)]
    expected = [LABELS[i % len(TEXTS)] for i in range(150)]
    assert labels(each_client.predict_many(texts)) == expected
    assert labels(each_client.predict_many(iter(texts))) == expected


def test_an_asynchronous_iterable_works_like_a_list(server: Server) -> None:
    async def texts() -> Any:
        for text in TEXTS:
            yield text

    with connected("async", server) as client:
        assert labels(client.predict_many(texts())) == list(LABELS)


def test_a_bad_text_among_many_is_returned_as_its_error(each_client: Client) -> None:
    texts: list[Any] = ["Great!", " ", "x" * 50_001, "\ud800", "x" * 300_000, None, "Awful."]
    results = each_client.predict_many(texts)
    kinds = [Prediction, Validation, TooLarge, Malformed, TooLarge, Validation, Prediction]
    assert [type(result) for result in results] == kinds
    assert isinstance(results[2], SentimentError)
    assert results[2].status == 413


def test_a_text_that_is_too_large_does_not_affect_the_others(each_client: Client) -> None:
    for texts in (
        ["word " * 2_000] * 32,
        ["日本 " * 500] * 32,
        ["Great!", "x" * 300_000, "Awful."],
    ):
        results = each_client.predict_many(texts)
        assert len(results) == len(texts)
        assert [r for r in results if not isinstance(r, Prediction | TooLarge)] == []
    assert [type(result) for result in results] == [Prediction, TooLarge, Prediction]


def test_each_mistake_raises_its_own_exception(each_client: Client, connect: Connect) -> None:
    with pytest.raises(Validation, match="blank") as caught:
        each_client.predict("")
    assert caught.value.status == 422
    with pytest.raises(TooLarge, match="50,001 characters"):
        each_client.predict("x" * 50_001)
    with pytest.raises(TooLarge, match="max_request_size"):
        each_client.predict("x" * 5_000_000)
    with pytest.raises(Malformed, match="surrogate"):
        each_client.predict("\ud800")
    for options in ({"model": "nonesuch"}, {"version": "9.9"}):
        with connect(**options) as other, pytest.raises(NotFound):
            other.predict("good")
    with connect(version="1.0") as other:
        assert other.predict("Great!").label == "POSITIVE"


def test_an_answer_that_comes_too_late_raises_timed_out(server: Server, url: str) -> None:
    holding = held_up(url)  # else the answer may be there before the client looks
    for kind in KINDS:
        with connected(kind, server, max_retries=0) as hasty, pytest.raises(TimedOut):
            hasty.predict("good", timeout=0.0001)
    holding.join()


def test_a_stream_is_answered_in_order_and_can_be_closed_early(each_client: Client) -> None:
    read = 0

    def texts() -> Iterator[str]:
        nonlocal read
        while True:
            read += 1
            yield TEXTS[read % 2]

    stream = each_client.predict_stream(texts())
    first = labels(islice(stream, 320))
    stream.close()
    assert first == ["NEGATIVE", "POSITIVE"] * 160
    assert read < 320 + 32 * 5


@contextmanager
def load(
    connect: Callable[[], AbstractContextManager[Client]], threads: int = 8
) -> Iterator[list[Result]]:
    """Predict without pause, with one client per thread, while the block runs."""
    outcomes: list[Result] = []
    over = threading.Event()

    def predict() -> None:
        with connect() as client:
            while not over.is_set():
                for text in TEXTS[:4]:
                    try:
                        outcomes.append(client.predict(text))
                    except SentimentError as error:
                        outcomes.append(error)

    running = [threading.Thread(target=predict) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield outcomes
    finally:
        over.set()
        for thread in running:
            thread.join()


@contextmanager
def load_of_every_kind(server: Server) -> Iterator[dict[str, list[Result]]]:
    """Predict without pause, with clients of every kind, while the block runs."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(load(partial(connected, kind, server))) for kind in KINDS}


def await_outcomes(outcomes: dict[str, list[Result]], before: dict[str, int], more: int) -> None:
    """Wait until every kind has `more` outcomes in addition to those `before`."""
    deadline = time.monotonic() + 120
    while any(len(outcomes[kind]) < before[kind] + more for kind in KINDS):
        assert time.monotonic() < deadline, f"{counts(outcomes)} after {before}: the server hangs"
        time.sleep(0.05)


def counts(outcomes: dict[str, list[Result]]) -> dict[str, int]:
    return {kind: len(results) for kind, results in outcomes.items()}


def failures(outcomes: dict[str, list[Result]]) -> list[tuple[str, Result]]:
    """Each error, with the kind of its client."""
    return [
        (kind, result)
        for kind, results in outcomes.items()
        for result in results
        if not isinstance(result, Prediction)
    ]


@pytest.mark.parametrize("kind", ["rest", "grpc"])
def test_one_client_serves_many_threads(server: Server, kind: str) -> None:
    with connected(kind, server) as client, load(lambda: nullcontext(client)) as outcomes:
        for _ in range(20):
            client.predict(TEXTS[0])
    assert [outcome for outcome in outcomes if not isinstance(outcome, Prediction)] == []


def test_one_asynchronous_client_serves_many_tasks(server: Server) -> None:
    async def predict_all() -> list[Prediction]:
        async with AsyncSentimentClient(server.properties.inference) as client:
            texts = [TEXTS[i % len(TEXTS)] for i in range(200)]
            return await asyncio.gather(*map(client.predict, texts))

    expected = [LABELS[i % len(LABELS)] for i in range(200)]
    assert labels(asyncio.run(predict_all())) == expected


# Workers take seconds to start, so these tests have clients of every kind at the same time.
def test_no_request_is_lost_while_workers_are_added_and_replaced(
    server: Server, management: ManagementClient
) -> None:
    command = ["--management", server.properties.management, "workers"]
    with load_of_every_kind(server) as outcomes:
        before = counts(outcomes)
        assert main([*command, "2"]) == 0
        assert management.describe().ready_workers == 2
        await_outcomes(outcomes, before, 50)  # some of them in between
        # The other worker answers until a killed one is replaced.
        killed = management.describe().workers[0].pid
        os.kill(killed, signal.SIGKILL)
        rates: list[int] = []
        while management.describe().ready_workers < 2 or len(rates) < 3:
            before = counts(outcomes)
            time.sleep(2)
            rates.append(sum(counts(outcomes).values()) - sum(before.values()))
            assert rates[-1] > 0
            assert len(rates) < 60
        assert killed not in {worker.pid for worker in management.describe().workers}
    assert failures(outcomes) == []
    # Not under load: TorchServe may then answer a request twice, which can hang the other worker.
    assert main([*command, "1"]) == 0
    assert management.describe().ready_workers == 1
    with load_of_every_kind(server) as outcomes:
        await_outcomes(outcomes, counts(outcomes), 50)
    assert failures(outcomes) == []


def test_no_request_is_lost_when_the_only_worker_is_killed(
    server: Server, management: ManagementClient
) -> None:
    with load_of_every_kind(server) as outcomes:
        (worker,) = management.describe().workers
        os.kill(worker.pid, signal.SIGKILL)
        await_outcomes(outcomes, counts(outcomes), 100)
    assert failures(outcomes) == []
    assert management.describe().workers[0].pid != worker.pid


def test_requests_are_refused_while_there_are_no_workers(
    server: Server, management: ManagementClient
) -> None:
    assert management.scale(0).workers == ()
    try:
        for kind in KINDS:
            with connected(kind, server, max_retries=0) as impatient, pytest.raises(Overloaded):
                impatient.predict("good")
            address = server.properties.management
            both = connected(kind, server, max_retries=0, management=address)
            with both as knowing, pytest.raises(Unhealthy):
                knowing.predict("good")
    finally:
        assert management.scale(1).ready_workers == 1
    for kind in KINDS:
        with connected(kind, server) as client:
            assert client.predict("Great!").label == "POSITIVE"


def test_a_token_is_required_and_sent(archive: Path, tmp_path: Path) -> None:
    with running(archive, tmp_path, disable_token_authorization="false") as server:
        for kind in KINDS:
            with connected(kind, server) as stranger, pytest.raises(Unauthorized):
                stranger.predict("good")
            with connected(kind, server, token="wrong") as stranger, pytest.raises(Unauthorized):
                stranger.predict("good")
            with connected(kind, server, token_file=server.key_file) as known:
                assert known.predict("Great!").label == "POSITIVE"
