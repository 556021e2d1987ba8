"""The client and its command against the real server."""

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest

from scripts.launcher.server import Server
from sentiment_client import (
    Malformed,
    ManagementClient,
    NotFound,
    Overloaded,
    Prediction,
    SentimentClient,
    SentimentError,
    TooLarge,
    Unhealthy,
    Validation,
)
from sentiment_client.cli import main
from tests.integration.texts import TEXTS


def test_one_text(client: SentimentClient) -> None:
    got = client.predict("A gripping, beautifully shot film.")
    assert (got.label, got.tokens, got.truncated) == ("POSITIVE", 9, False)
    assert got.score == max(got.scores.values()) > 0.9


def test_many_texts_over_several_requests_come_back_in_order(client: SentimentClient) -> None:
    texts = [TEXTS[i % len(TEXTS)] for i in range(100)]
    alone = {text: client.predict(text).label for text in TEXTS}
    results = client.predict_many(iter(texts))
    assert [r.label for r in results if isinstance(r, Prediction)] == [alone[t] for t in texts]


def test_a_bad_text_among_many_is_returned_as_its_error(client: SentimentClient) -> None:
    good, blank, long, broken, also_good = client.predict_many(
        ["Great!", " ", "x" * 50_001, "\ud800", "Awful."]
    )
    assert isinstance(good, Prediction)
    assert isinstance(also_good, Prediction)
    assert (type(blank), type(long), type(broken)) == (Validation, TooLarge, Malformed)
    assert isinstance(long, SentimentError)
    assert long.status == 413


def test_no_text_is_lost_for_the_size_of_another(client: SentimentClient) -> None:
    for texts in (
        ["word " * 2_000] * 32,
        ["日本 " * 500] * 32,
        ["Great!", "x" * 300_000, "Awful."],
    ):
        results = client.predict_many(texts)
        assert len(results) == len(texts)
        assert [r for r in results if not isinstance(r, Prediction | TooLarge)] == []
    assert [type(result) for result in results] == [Prediction, TooLarge, Prediction]


def test_each_mistake_has_its_exception(client: SentimentClient, server: Server) -> None:
    with pytest.raises(Validation, match="blank"):
        client.predict("")
    with pytest.raises(TooLarge, match="50,001 characters"):
        client.predict("x" * 50_001)
    with pytest.raises(TooLarge, match="max_request_size"):
        client.predict("x" * 5_000_000)
    with pytest.raises(Malformed, match="surrogate"):
        client.predict("\ud800")
    with server.client(model="nonesuch") as other, pytest.raises(NotFound):
        other.predict("good")
    with server.client(version="9.9") as other, pytest.raises(NotFound):
        other.predict("good")
    with server.client(version="1.0") as other:
        assert other.predict("Great!").label == "POSITIVE"


def test_a_client_serves_many_threads(client: SentimentClient) -> None:
    with load(client) as outcomes:
        for _ in range(20):
            client.predict(TEXTS[0])
    assert all(isinstance(outcome, Prediction) for outcome in outcomes)


@contextmanager
def load(client: SentimentClient, threads: int = 8) -> Iterator[list[Prediction | SentimentError]]:
    """Predict without pause while the block runs; yields what came of it."""
    outcomes: list[Prediction | SentimentError] = []
    over = threading.Event()

    def predict() -> None:
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


def test_no_request_is_lost_while_workers_come_and_go(
    server: Server, client: SentimentClient, management: ManagementClient
) -> None:
    command = ["--management", server.properties.management, "workers"]
    with load(client) as outcomes:
        for workers in (2, 1, 2, 1):
            before = len(outcomes)
            assert main([*command, str(workers)]) == 0
            assert management.describe().ready_workers == workers
            while len(outcomes) < before + 50:  # some are answered in between, too
                time.sleep(0.05)
    assert [outcome for outcome in outcomes if not isinstance(outcome, Prediction)] == []


def test_without_workers_requests_are_refused_until_there_are_some(
    server: Server, management: ManagementClient
) -> None:
    assert management.scale(0).workers == ()
    try:
        with server.client(retries=0) as impatient, pytest.raises(Overloaded):
            impatient.predict("good")
        both = server.client(retries=0, management=server.properties.management)
        with both as knowing, pytest.raises(Unhealthy):
            knowing.predict("good")
    finally:
        assert management.scale(1).ready_workers == 1
    with server.client() as client:
        assert client.predict("Great!").label == "POSITIVE"


def test_the_command_predicts(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["--address", server.properties.inference]
    assert main([*command, "predict", "A wonderful film.", "A terrible mess."]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("POSITIVE\t0.")
    assert first.endswith("\tA wonderful film.")
    assert second.startswith("NEGATIVE\t0.")

    monkeypatch.setattr("sys.stdin", piped(b"A wonderful film.\r\n\nA terrible mess.\n"))
    assert main([*command, "--json", "predict", "-"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("label", row.get("error_type")) for row in rows] == [
        "POSITIVE",
        "Validation",
        "NEGATIVE",
    ]

    monkeypatch.setattr("sys.stdin", piped(b"fine\ncaf\xe9\n"))
    assert main([*command, "predict", "-"]) == 1
    assert "line 2 of the input is not UTF-8" in capsys.readouterr().err


def test_the_command_answers_the_lines_before_a_broken_one(server: Server) -> None:
    run = [sys.executable, "-m", "sentiment_client", "--address", server.properties.inference]
    done = subprocess.run(
        [*run, "predict", "-"], input=b"fine\ncaf\xe9\n", capture_output=True, check=False
    )
    assert done.stdout.endswith(b"\tfine\n")
    assert b"line 2 of the input is not UTF-8" in done.stderr
    assert done.returncode == 1


def test_the_command_answers_a_line_before_the_next_one_comes(server: Server) -> None:
    run = [sys.executable, "-m", "sentiment_client", "--address", server.properties.inference]
    with subprocess.Popen(
        [*run, "predict", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as command:
        assert command.stdin
        assert command.stdout
        for line in (b"A wonderful film.\n", b"A terrible mess.\n"):
            command.stdin.write(line)
            command.stdin.flush()
            assert command.stdout.readline().endswith(line)  # or waits for ever
        command.stdin.close()
        assert command.wait(10) == 0


def test_a_stream_is_answered_in_order_and_can_be_left(client: SentimentClient) -> None:
    taken = 0

    def texts() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield TEXTS[taken % 2]

    stream = client.predict_stream(texts())
    labels = [r.label for r in islice(stream, 320) if isinstance(r, Prediction)]
    stream.close()
    assert labels == ["NEGATIVE", "POSITIVE"] * 160
    assert taken < 320 + 32 * 5


def piped(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_the_command_stops_quietly_when_nobody_reads_on(server: Server, tmp_path: Path) -> None:
    texts = tmp_path / "texts"
    texts.write_text("good\n" * 3_000)
    program = f"{sys.executable} -m sentiment_client --address {server.properties.inference}"
    run = ["sh", "-c", f"{program} predict --json - < {texts} | head -1"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] == "POSITIVE"
    assert done.stderr == ""


def test_the_command_tells_the_status(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--management", server.properties.management]
    assert main([*command, "status"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("sentiment 1.0 (sentiment.mar, default): 1 of 1 workers ready")
    assert "0 of 1000 queue places taken, batches of up to 32 after 1 ms" in said
    assert main([*command, "--json", "status"]) == 0
    assert json.loads(capsys.readouterr().out)["workers"][0]["status"] == "READY"
    assert main([*command, "--model", "nonesuch", "status"]) == 1
    assert "nonesuch" in capsys.readouterr().err
