"""The parts of the benchmark that compute: wrk's words, schedules, medians, ratios, the report."""

import asyncio
import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks import label_check as guard
from benchmarks.load import closed_loop, loads, open_loop, texts
from benchmarks.load.loads import Load
from benchmarks.report import markdown as report
from benchmarks.report.summary import figures, percentile, ratio
from benchmarks.results import Measurement, Results
from benchmarks.servers import BASELINE, LIMIT, SERVERS
from benchmarks.targets import patience, same_for_the_loop
from scripts.failure import Failure

WRK = """\
Running 2s test @ http://127.0.0.1:8080/predictions/sentiment
  1 threads and 8 connections
Requests/sec:    100.50
{"requests": 210, "microseconds": 2000000, "p50": 19500, "p95": 30000, "p99": 41000, \
"statuses": 10, "timeouts": 1, "sockets": 2}
"""
CLOSED = Load("sentences", connections=64)
SLOW, FAST = Load("sentences", rate=25), Load("sentences", rate=100)


def test_what_wrk_reports_is_read() -> None:
    report = closed_loop.parse(WRK)
    assert report.requests == 200
    assert report.requests_per_second == pytest.approx(100)
    assert (report.p50, report.p95, report.p99) == (19.5, 30.0, 41.0)


def test_what_was_not_answered_well_is_an_error() -> None:
    assert closed_loop.parse(WRK).errors == 13


def test_nothing_answered_has_no_latency() -> None:
    said = WRK.replace('"requests": 210', '"requests": 0').replace(
        '"statuses": 10', '"statuses": 0'
    )
    report = closed_loop.parse(said)
    assert (report.requests_per_second, report.p50, report.p99) == (0, None, None)


def test_wrk_that_says_nothing_is_a_failure_that_shows_its_words() -> None:
    with pytest.raises(Failure) as caught:
        closed_loop.parse("", "unable to connect")
    assert "unable to connect" in caught.value.log


def test_without_wrk_a_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Failure, match="apt install wrk"):
        closed_loop.check_wrk()


def test_arrivals_are_the_same_for_every_server_and_as_many_as_asked() -> None:
    due = open_loop.schedule(rate=100, seconds=50)
    assert due == open_loop.schedule(rate=100, seconds=50)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 50
    assert len(due) == pytest.approx(5000, rel=0.05)


def test_gaps_between_arrivals_vary_as_a_poisson_process_has_it() -> None:
    due = open_loop.schedule(rate=100, seconds=50)
    gaps = [later - earlier for earlier, later in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert deviation == pytest.approx(mean, rel=0.05)


def offered(answer: bytes, due: Sequence[float], delay: float = 0.0) -> open_loop.Outcome:
    """What the open loop makes of a server that gives one answer, one request at a time."""

    async def run() -> open_loop.Outcome:
        turn = asyncio.Lock()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                    async with turn:
                        await asyncio.sleep(delay)
                    writer.write(answer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # it was closed
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        outcome = await open_loop.run(f"http://127.0.0.1:{port}/x", [b"{}"], due)
        server.close()
        await asyncio.sleep(0.05)  # the connections see that they were closed
        return outcome

    return asyncio.run(run())


GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def test_latency_counts_from_when_a_request_was_due() -> None:
    outcome = offered(GOOD, due=[0.0, 0.0, 0.0], delay=0.1)
    assert sorted(outcome.latencies) == pytest.approx([0.1, 0.2, 0.3], abs=0.09)
    assert (outcome.errors, outcome.unanswered) == (0, 0)


def test_an_answer_may_come_in_pieces() -> None:
    pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    outcome = offered(pieces, due=[0.0, 0.05])
    assert (len(outcome.latencies), outcome.errors) == (2, 0)


def test_an_answer_other_than_2xx_is_an_error() -> None:
    outcome = offered(GOOD.replace(b"200 OK", b"503 Busy"), due=[0.0, 0.01])
    assert (outcome.errors, outcome.latencies) == (2, [])


def test_what_is_not_answered_in_the_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "GRACE_SECONDS", 0.2)
    outcome = offered(GOOD, due=[0.0, 0.0], delay=0.15)
    assert (len(outcome.latencies), outcome.unanswered) == (1, 1)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([3.0], 0.99) == 3.0


def measured(server: str, load: Load, number: int, speed: float, p50: float) -> Measurement:
    return Measurement(server, load.key, number, speed, p50, 2 * p50, 3 * p50, requests=200)


def of_mosec(rounds: Sequence[Measurement]) -> Results:
    return Results({}, [CLOSED, SLOW], ["mosec"], len(rounds), measurements=list(rounds))


def test_figures_are_medians_over_the_rounds() -> None:
    rounds = [
        measured("mosec", CLOSED, i, s, p) for i, s, p in ((1, 90, 9), (2, 10, 7), (3, 50, 1))
    ]
    found = figures(of_mosec(rounds), "mosec", CLOSED)
    assert found is not None
    assert (found.texts_per_second, found.lowest, found.highest) == (50, 10, 90)
    assert (found.p50, found.p95, found.p99) == (7, 14, 21)
    assert figures(of_mosec(rounds), "mosec", SLOW) is None


def test_what_had_too_few_answers_has_no_figures() -> None:
    """Two a connection for the speed, and for a percentile so many that it is not the slowest."""
    one = measured("mosec", CLOSED, 1, 90, 9)
    for answers, figures_there in ((127, 0), (128, 3)):
        found = figures(of_mosec([dataclasses.replace(one, requests=answers)]), "mosec", CLOSED)
        assert found is not None
        there = (found.texts_per_second, found.p50, found.p99)
        assert sum(figure is not None for figure in there) == figures_there
    few = dataclasses.replace(measured("mosec", SLOW, 1, 25, 9), requests=99)
    found = figures(of_mosec([few]), "mosec", SLOW)
    assert found is not None
    assert (found.p50, found.p95, found.p99) == (9, 18, None)


def test_saturated_in_most_rounds_is_saturated() -> None:
    good = measured("mosec", SLOW, 1, 25, 5)
    late = dataclasses.replace(good, saturated=True, p50=None)
    for rounds, saturated in (((good, late, late), True), ((good, good, late), False)):
        found = figures(of_mosec(rounds), "mosec", SLOW)
        assert found is not None
        assert found.saturated is saturated


def test_the_speed_of_a_server_is_that_of_its_last_closed_loop() -> None:
    rounds = [
        measured("mosec", CLOSED, 1, 90, 9),
        measured("mosec", CLOSED, 2, 50, 9),
        measured("mosec", CLOSED, 3, 0, 9),
        measured("mosec", SLOW, 1, 25, 9),
    ]
    assert of_mosec(rounds).speed("mosec", "sentences") == 50
    assert of_mosec(rounds).speed("mosec", "mixed") is None
    assert of_mosec(rounds).speed("service", "sentences") is None


def test_a_ratio_needs_two_numbers() -> None:
    assert ratio(6.0, 3.0) == 2.0
    assert ratio(6.0, 0.0) is None
    assert ratio(None, 3.0) is None
    assert ratio(6.0, None) is None


def test_labels_are_found_in_answers_of_every_shape() -> None:
    labels = ["NEGATIVE", "POSITIVE"]
    ours = {"sentiment": "POSITIVE", "scores": {"NEGATIVE": 0.1, "POSITIVE": 0.9}}
    assert list(guard.labels_in(ours, labels)) == ["POSITIVE"]
    theirs = {"predictions": [{"label": "NEGATIVE", "score": 0.9}, {"label": "POSITIVE"}]}
    assert list(guard.labels_in(theirs, labels)) == ["NEGATIVE", "POSITIVE"]


def test_only_texts_on_which_the_reference_is_sure_are_asked() -> None:
    reference = [{"label": "A", "score": 0.95}, {"label": "B", "score": 0.6}]
    assert guard.choose(["x", "y"], reference) == {"x": "A"}
    with pytest.raises(Failure):
        guard.choose(["y"], reference[1:])
    with pytest.raises(Failure):
        guard.check(["A"], ["B"])


def test_a_file_of_texts_is_shuffled_the_same_way_each_time(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("# a comment\none\n\ntwo\none\nthree\n", encoding="utf-8")
    read = texts.read([file])
    assert read == texts.read([file])
    assert set(read["own"][:3]) == {"one", "two", "three"}


def test_no_text_is_sent_twice_within_what_is_in_flight() -> None:
    many = texts.distinct(["one", "two", "three"])
    assert len(set(many)) == len(many) >= texts.DISTINCT
    # Nor what is left of it where the model cuts it.
    assert len({text[:20] for text in texts.distinct(["word " * 600])}) == texts.DISTINCT


def test_the_bundled_corpus_has_sentences_and_reviews() -> None:
    read = texts.read([])
    assert list(read) == ["sentences", "mixed"]
    longest = max(len(text.split()) for text in read["sentences"])
    assert longest <= texts.SENTENCE_WORDS + 1  # the number of a repeated text
    assert max(len(text.split()) for text in read["mixed"]) > texts.SENTENCE_WORDS


def test_a_file_without_texts_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    (tmp_path / "long.txt").write_text("a" * 50_001, encoding="utf-8")
    for name in ("empty.txt", "missing.txt", "long.txt"):
        with pytest.raises(Failure, match=name):
            texts.lines(tmp_path / name)


def test_bodies_are_json_of_one_text_or_of_many() -> None:
    assert [json.loads(body) for body in texts.bodies(["a", "b\n"], 1)] == [
        {"text": "a"},
        {"text": "b\n"},
    ]
    assert [json.loads(body) for body in texts.bodies(["a", "b", "c"], 2)] == [
        {"texts": ["a", "b"]}
    ]
    assert all(b"\n" not in body for body in texts.bodies(["b\n"], 1))


@pytest.mark.parametrize("plan", [loads.full, loads.quick])
def test_lower_rates_come_first_and_no_load_comes_twice(
    plan: Callable[[Sequence[str], int], list[Load]],
) -> None:
    planned = plan(["sentences", "mixed"], 5)
    assert len({load.key for load in planned}) == len(planned)
    rates = [load.rate for load in planned if load.rate and load.corpus == "sentences"]
    assert rates == sorted(rates) != []


def test_the_full_form_has_every_concurrency() -> None:
    planned = loads.full(["sentences"], 5)
    assert {(load.texts, load.connections) for load in planned if load.connections} == {
        (texts, connections) for texts in (1, 32) for connections in (1, 8, 32, 64)
    }


def test_a_slow_server_gets_the_time_for_a_turn_of_all_connections() -> None:
    load = Load("sentences", texts=32, connections=8, seconds=5)
    assert patience(load, None) == 5
    assert patience(load, 1000) == 5
    assert patience(load, 128) == 12
    assert patience(load, 1) == 75


def test_loads_that_differ_by_connections_alone_are_one_to_the_loop() -> None:
    groups = same_for_the_loop([CLOSED, SLOW, Load("sentences", texts=32, connections=1), FAST])
    assert [[load.texts for load in group] for group in groups] == [[1, 1, 1], [32]]


@pytest.fixture
def results() -> Results:
    about = {
        "command": "make bench",
        "date": "2026-01-01",
        "quick": False,
        "texts": {"sentences": {"texts": 9, "mean": 25.0, "median": 22.0}},
        "source": {"sentences": "own.txt"},
        "machine": {
            "cpu": "a CPU",
            "cores": 2,
            "memory": "4 GiB",
            "system": "Linux",
            "load": 0.1,
            "versions": {"Python": "3.11.7"},
        },
    }
    servers = [BASELINE, "mosec", "service", LIMIT]
    found = Results(about, [CLOSED, SLOW, FAST], servers, rounds=1)
    speeds = zip(servers, (50, 100, 400, 500), (20, 10, 5, 2), strict=True)
    for name, speed, p50 in speeds:
        found.measurements.append(measured(name, CLOSED, 1, speed, p50))
        found.measurements.append(measured(name, SLOW, 1, 25, p50))
        late = Measurement(name, FAST.key, 1, 0, saturated=True)
        fast = measured(name, FAST, 1, 100, p50)
        found.measurements.append(late if name == BASELINE else fast)
    return found


def test_every_figure_stands_beside_its_ratio_to_the_textbook_and_to_the_limit(
    results: Results,
) -> None:
    rows = [line for line in report.markdown(results).splitlines() if "this service" in line]
    glance, closed, *_ = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert glance[3] == "400 (8.00, 0.80)"
    assert closed[3:9] == ["400", "400", "400", "8.00", "0.80", "5.00"]


def test_tables_have_as_many_cells_a_row_as_heads(results: Results) -> None:
    table: list[int] = []
    for line in report.markdown(results).splitlines():
        if line.startswith("|"):
            table.append(line.count("|"))
        else:
            assert len(set(table)) <= 1
            table = []


def test_a_server_that_falls_behind_has_no_latency(results: Results) -> None:
    rows = [line for line in report.markdown(results).splitlines() if "FastAPI, textbook" in line]
    assert "cannot keep up" in rows[-1]


def test_errors_and_broken_servers_are_told(results: Results) -> None:
    results.measurements[0] = dataclasses.replace(results.measurements[0], errors=7)
    results.broken["ray-serve"] = "labels were wrong"
    said = report.markdown(results)
    assert "**7 errors**" in said
    assert "Ray Serve: labels were wrong" in said


def test_a_machine_that_was_not_quiet_is_told(results: Results) -> None:
    assert "quiet machine" not in report.markdown(results)
    results.busiest = 55.0
    assert "used up to 55 % of the cores" in report.markdown(results)


def test_results_survive_an_interruption(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "run" / "results.json"
    results.add([measured("mosec", CLOSED, 2, 90, 9)], path)
    again = Results.read(path)
    assert again == results
    assert again.has("mosec", CLOSED, 2)
    assert not again.has("service", CLOSED, 2)


def test_results_that_are_not_there_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="make bench"):
        Results.read(tmp_path / "results.json")


def test_every_server_has_a_program() -> None:
    for server in SERVERS:
        assert (Path(loads.__file__).parents[1] / "peers" / f"{server.module}.py").exists()
