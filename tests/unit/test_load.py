"""The load: wrk's report, texts, request bodies, the plan of loads, durations."""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks.load import closed_loop, loads, prerequisites, texts
from benchmarks.load.arguments import milliseconds
from benchmarks.load.loads import Load
from scripts.failure import Failure

WRK = """\
Running 2s test @ http://127.0.0.1:8080/predictions/sentiment
  1 threads and 8 connections
Requests/sec:    100.50
{"requests": 210, "microseconds": 2000000, "p50": 19500, "p95": 30000, "p99": 41000, \
"statuses": 10, "timeouts": 1, "sockets": 2}
"""


def test_the_report_of_wrk_is_parsed() -> None:
    report = closed_loop.parse(WRK)
    assert report.requests == 200
    assert report.requests_per_second == pytest.approx(100)
    assert (report.p50, report.p95, report.p99) == (19.5, 30.0, 41.0)


def test_bad_statuses_timeouts_and_socket_errors_are_errors() -> None:
    assert closed_loop.parse(WRK).errors == 13


def test_without_answers_there_is_no_latency() -> None:
    output = WRK.replace('"requests": 210', '"requests": 0').replace(
        '"statuses": 10', '"statuses": 0'
    )
    report = closed_loop.parse(output)
    assert (report.requests_per_second, report.p50, report.p99) == (0, None, None)


def test_a_missing_report_is_a_failure_with_the_output_of_wrk() -> None:
    with pytest.raises(Failure) as caught:
        closed_loop.parse("", "unable to connect")
    assert "unable to connect" in caught.value.log


def test_without_wrk_the_failure_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match="apt install wrk"):
        prerequisites.check_wrk()


def test_a_file_of_texts_is_shuffled_the_same_way_each_time(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("# a comment\none\n\ntwo\none\nthree\n", encoding="utf-8")
    read = texts.read([file])
    assert read == texts.read([file])
    assert set(read["own"][:3]) == {"one", "two", "three"}


def test_texts_in_flight_are_distinct() -> None:
    many = texts.distinct(["one", "two", "three"])
    assert len(set(many)) == len(many) >= texts.DISTINCT
    # Even after truncation to the model's maximum length.
    assert len({text[:20] for text in texts.distinct(["word " * 600])}) == texts.DISTINCT


def test_the_bundled_corpus_has_sentences_and_reviews() -> None:
    read = texts.read([])
    assert list(read) == ["sentences", "mixed"]
    longest = max(len(text.split()) for text in read["sentences"])
    assert longest <= texts.SENTENCE_WORDS + 1  # the number of a repeated text
    assert max(len(text.split()) for text in read["mixed"]) > texts.SENTENCE_WORDS


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "comments.txt").write_text("# one\n\n#two\n", encoding="utf-8")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "long.txt").write_text("a" * 50_001, encoding="utf-8")
    for name in ("empty.txt", "comments.txt", "latin.txt", "missing.txt", "long.txt"):
        with pytest.raises(Failure, match=name):
            texts.lines(tmp_path / name)


def test_bodies_are_json_with_one_text_or_several() -> None:
    assert [json.loads(body) for body in texts.bodies(["a", "b\n"], 1)] == [
        {"text": "a"},
        {"text": "b\n"},
    ]
    assert [json.loads(body) for body in texts.bodies(["a", "b", "c"], 2)] == [
        {"texts": ["a", "b"]}
    ]
    assert all(b"\n" not in body for body in texts.bodies(["b\n"], 1))


@pytest.mark.parametrize("plan", [loads.full, loads.quick])
def test_rates_rise_and_loads_are_distinct(
    plan: Callable[[Sequence[str], int], list[Load]],
) -> None:
    planned = plan(["sentences", "mixed"], 5)
    assert len({load.key for load in planned}) == len(planned)
    rates = [load.rate for load in planned if load.rate and load.corpus == "sentences"]
    assert rates == sorted(rates) != []


def test_a_full_run_has_every_concurrency() -> None:
    planned = loads.full(["sentences"], 5)
    assert {(load.texts, load.connections) for load in planned if load.connections} == {
        (texts, connections) for texts in (1, 32) for connections in (1, 8, 32, 64)
    }


@pytest.mark.parametrize(("text", "value"), [("50ms", 50), ("0.2s", 200), ("1 s", 1000)])
def test_a_duration_is_parsed(text: str, value: float) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["fast", "", "50", "0ms", "-5ms", "5 min", "1e3ms", "५0ms"])
def test_the_error_for_a_duration_has_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="such as 50ms"):
        milliseconds(text)
