"""The computations of the benchmark: medians, ratios, label checks, versions, the report."""

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from benchmarks import label_check, machine
from benchmarks.load import loads
from benchmarks.load.loads import Load
from benchmarks.process import end
from benchmarks.report import markdown
from benchmarks.report.summary import percentile, ratio, summarize
from benchmarks.results import Measurement, Results
from benchmarks.servers import BASELINE, LIMIT, SERVERS
from benchmarks.targets import by_call, duration
from scripts.failure import Failure

CLOSED = Load("sentences", connections=64)
SLOW, FAST = Load("sentences", rate=25), Load("sentences", rate=100)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99)] == [50, 95, 99]
    assert percentile([3.0], 0.99) == 3.0


def measured(server: str, load: Load, number: int, speed: float, p50: float) -> Measurement:
    return Measurement(server, load.key, number, speed, p50, 2 * p50, 3 * p50, requests=200)


def of_mosec(rounds: Sequence[Measurement]) -> Results:
    return Results({}, [CLOSED, SLOW], ["mosec"], len(rounds), measurements=list(rounds))


def test_a_summary_has_medians_over_the_rounds() -> None:
    rounds = [
        measured("mosec", CLOSED, i, s, p) for i, s, p in ((1, 90, 9), (2, 10, 7), (3, 50, 1))
    ]
    summary = summarize(of_mosec(rounds), "mosec", CLOSED)
    assert summary is not None
    assert (summary.texts_per_second, summary.lowest, summary.highest) == (50, 10, 90)
    assert (summary.p50, summary.p95, summary.p99) == (7, 14, 21)
    assert summarize(of_mosec(rounds), "mosec", SLOW) is None


def test_a_summary_of_too_few_answers_has_no_values() -> None:
    """Two per connection for the throughput, 20 for p95, 100 for p99."""
    one = measured("mosec", CLOSED, 1, 90, 9)
    for answers, values_present in ((127, 0), (128, 3)):
        summary = summarize(of_mosec([dataclasses.replace(one, requests=answers)]), "mosec", CLOSED)
        assert summary is not None
        values = (summary.texts_per_second, summary.p50, summary.p99)
        assert sum(value is not None for value in values) == values_present
    few = dataclasses.replace(measured("mosec", SLOW, 1, 25, 9), requests=99)
    summary = summarize(of_mosec([few]), "mosec", SLOW)
    assert summary is not None
    assert (summary.p50, summary.p95, summary.p99) == (9, 18, None)


def test_a_server_is_saturated_if_it_was_in_most_rounds() -> None:
    good = measured("mosec", SLOW, 1, 25, 5)
    late = dataclasses.replace(good, saturated=True, p50=None)
    for rounds, saturated in (((good, late, late), True), ((good, good, late), False)):
        summary = summarize(of_mosec(rounds), "mosec", SLOW)
        assert summary is not None
        assert summary.saturated is saturated


def test_the_speed_of_a_server_comes_from_its_latest_closed_loop() -> None:
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


def test_labels_are_extracted_from_answers_of_any_shape() -> None:
    labels = ["NEGATIVE", "POSITIVE"]
    ours = {"sentiment": "POSITIVE", "scores": {"NEGATIVE": 0.1, "POSITIVE": 0.9}}
    assert list(label_check.labels_in(ours, labels)) == ["POSITIVE"]
    theirs = {"predictions": [{"label": "NEGATIVE", "score": 0.9}, {"label": "POSITIVE"}]}
    assert list(label_check.labels_in(theirs, labels)) == ["NEGATIVE", "POSITIVE"]


def test_only_texts_with_a_confident_label_are_checked() -> None:
    reference = [{"label": "A", "score": 0.95}, {"label": "B", "score": 0.6}]
    assert label_check.choose(["x", "y"], reference) == {"x": "A"}
    with pytest.raises(Failure):
        label_check.choose(["y"], reference[1:])
    with pytest.raises(Failure):
        label_check.check(["A"], ["B"])


def test_a_load_is_extended_for_a_slow_server() -> None:
    load = Load("sentences", texts=32, connections=8, seconds=5)
    assert duration(load, None) == 5
    assert duration(load, 1000) == 5
    assert duration(load, 128) == 12
    assert duration(load, 1) == 75


def test_loads_with_the_same_texts_per_request_are_measured_once_in_process() -> None:
    groups = by_call([CLOSED, SLOW, Load("sentences", texts=32, connections=1), FAST])
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
    results = Results(about, [CLOSED, SLOW, FAST], servers, rounds=1)
    speeds = zip(servers, (50, 100, 400, 500), (20, 10, 5, 2), strict=True)
    for name, speed, p50 in speeds:
        results.measurements.append(measured(name, CLOSED, 1, speed, p50))
        results.measurements.append(measured(name, SLOW, 1, 25, p50))
        late = Measurement(name, FAST.key, 1, 0, saturated=True)
        fast = measured(name, FAST, 1, 100, p50)
        results.measurements.append(late if name == BASELINE else fast)
    return results


def test_every_value_is_followed_by_its_ratios_to_baseline_and_limit(
    results: Results,
) -> None:
    rows = [line for line in markdown.render(results).splitlines() if "this service" in line]
    glance, closed, *_ = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert glance[3] == "400 (8.00, 0.80)"
    assert closed[3:9] == ["400", "400", "400", "8.00", "0.80", "5.00"]


def test_every_row_of_a_table_has_as_many_cells_as_its_header(results: Results) -> None:
    table: list[int] = []
    for line in markdown.render(results).splitlines():
        if line.startswith("|"):
            table.append(line.count("|"))
        else:
            assert len(set(table)) <= 1
            table = []


def test_a_saturated_server_has_no_latency(results: Results) -> None:
    rows = [line for line in markdown.render(results).splitlines() if "FastAPI, textbook" in line]
    assert "cannot keep up" in rows[-1]


def test_the_report_names_errors_and_broken_servers(results: Results) -> None:
    results.measurements[0] = dataclasses.replace(results.measurements[0], errors=7)
    results.broken["ray-serve"] = "labels were wrong"
    text = markdown.render(results)
    assert "**7 errors**" in text
    assert "Ray Serve: labels were wrong" in text


def test_the_report_warns_of_a_busy_machine(results: Results) -> None:
    assert "idle machine" not in markdown.render(results)
    results.busiest = 55.0
    assert "used up to 55 % of the CPU" in markdown.render(results)


def test_results_of_an_interrupted_run_are_kept(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "run" / "results.json"
    results.add([measured("mosec", CLOSED, 2, 90, 9)], path)
    again = Results.read(path)
    assert again == results
    assert again.has("mosec", CLOSED, 2)
    assert not again.has("service", CLOSED, 2)


def test_missing_results_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="make bench"):
        Results.read(tmp_path / "results.json")


@pytest.mark.parametrize(
    ("output", "pattern", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15\n', machine.JAVA_VERSION, "17.0.15"),
        (
            'Picked up JAVA_TOOL_OPTIONS: -Dname="quoted"\nopenjdk version "17.0.15" 2025-04-15\n',
            machine.JAVA_VERSION,
            "17.0.15",
        ),
        (
            "wrk debian/4.1.0-3+b2 [epoll]\n",
            machine.WRK_VERSION,
            "debian/4.1.0-3+b2",
        ),
        (
            "wrk: what?\nwrk 4.2.0 [epoll] Copyright\n",
            machine.WRK_VERSION,
            "4.2.0",
        ),
        ("", machine.JAVA_VERSION, "unknown"),
    ],
)
def test_a_version_is_found_on_any_line(output: str, pattern: str, version: str) -> None:
    assert machine.version_in(output, pattern) == version


def test_the_machine_is_described_with_java_tool_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dsome=option")
    assert machine.describe()["versions"]["Java"][0].isdigit()


def test_ending_processes_ignores_those_that_have_exited() -> None:
    """Each of these calls of psutil raises NoSuchProcess if the process id is free again."""

    class Exited(psutil.Process):
        def terminate(self) -> None:
            raise psutil.NoSuchProcess(self.pid)

        kill = terminate

    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        exiting = Exited(process.pid)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("benchmarks.process.STOP_SECONDS", 0.1)
            end([exiting])  # neither terminate nor kill reaches it
        assert process.poll() is None
        end([psutil.Process(process.pid)])
        assert process.poll() is not None
    finally:
        process.kill()
        process.communicate()


def test_every_server_has_a_program() -> None:
    for server in SERVERS:
        assert (Path(loads.__file__).parents[1] / "peers" / f"{server.module}.py").exists()
