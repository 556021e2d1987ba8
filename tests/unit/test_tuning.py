"""The computations of tuning: candidates, the search, edits of the files, the report."""

import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.failure import Failure
from scripts.launcher.properties import Properties
from tuning import report
from tuning.configuration import Configuration
from tuning.measurement import FAILED, Measurement
from tuning.search import search
from tuning.settings import WORKER_BYTES, Candidate, sweeps, trials
from tuning.target import CONNECTIONS, Target
from tuning.trial import SHIPPED, sweep

START = Candidate(1, 2, 32, 1, "auto")
MEMORY = 64 * WORKER_BYTES
THROUGHPUT = Target()


@pytest.fixture
def copy(tmp_path: Path) -> Configuration:
    """Copies of the two files with known settings, since the originals may have been tuned."""
    for path in (SHIPPED.properties, SHIPPED.handler):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copied = Configuration(tmp_path / SHIPPED.properties.name, tmp_path / SHIPPED.handler.name)
    copied.write(START)
    return copied


def speed(texts_per_second: float, p99: float = 10.0, connections: int = 64) -> Measurement:
    return Measurement(connections, texts_per_second, p99 / 2, p99)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 16, 96])
def test_workers_times_threads_are_never_more_than_the_cores(cores: int) -> None:
    splits = [START.changed(changes) for changes in sweeps(cores, MEMORY)[0]]
    assert splits
    assert len(set(splits)) == len(splits)
    assert all(1 <= each.workers * each.threads <= cores for each in splits)


def test_two_cores_are_split_in_every_way() -> None:
    splits = [(each["workers"], each["threads"]) for each in sweeps(2, MEMORY)[0]]
    assert splits == [(1, 2), (1, 1), (2, 1)]


def test_the_number_of_workers_to_try_is_limited_by_memory() -> None:
    assert {each["workers"] for each in sweeps(16, 2 * WORKER_BYTES)[0]} == {1, 2}
    assert {each["workers"] for each in sweeps(16, 0)[0]} == {1}


def test_a_delay_of_0_is_never_tried() -> None:
    assert min(each["max_batch_delay"] for each in sweeps(2, MEMORY)[2]) == 1


def optimum(candidate: Candidate) -> Measurement:
    """Best with two workers of one thread, batches of 64, a delay of 2 ms, 4096 tokens."""
    throughput = 1000.0
    throughput *= 1.2 if (candidate.workers, candidate.threads) == (2, 1) else 1.0
    throughput *= {8: 0.7, 16: 0.9, 32: 1.0, 64: 1.1, 128: 1.05}[candidate.batch_size]
    throughput *= {1: 1.0, 2: 1.1, 5: 0.8, 10: 0.5}[candidate.max_batch_delay]
    throughput *= {"auto": 1.0, 1024: 0.9, 2048: 1.0, 4096: 1.1, 8192: 1.0}[
        candidate.tokens_per_microbatch
    ]
    return speed(throughput)


def test_the_search_finds_the_optimum() -> None:
    tried: list[Candidate] = []

    def measure(candidate: Candidate) -> Measurement:
        tried.append(candidate)
        return optimum(candidate)

    result = search(START, sweeps(2, MEMORY), THROUGHPUT, measure)
    assert result.winner == Candidate(2, 1, 64, 2, 4096)
    assert result.before == optimum(START)
    # Each candidate once, then the last two in alternation.
    once = trials(START, sweeps(2, MEMORY))
    assert len(set(tried[:once])) == once
    assert tried[once:] == [START, result.winner] * 3


def test_an_improvement_within_noise_changes_nothing() -> None:
    def measure(candidate: Candidate) -> Measurement:
        return speed(1000 if candidate == START else 1025)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_a_candidate_that_was_lucky_once_does_not_win() -> None:
    seen: set[Candidate] = set()

    def measure(candidate: Candidate) -> Measurement:
        lucky = candidate.batch_size == 64 and candidate not in seen
        seen.add(candidate)
        return speed(1300 if lucky else 1000)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_a_candidate_that_loses_a_round_does_not_win() -> None:
    batch = START.changed({"batch_size": 64})
    speeds = {START: [1000, 1000, 1400, 1000], batch: [1300, 1300, 1300, 1300]}

    def measure(candidate: Candidate) -> Measurement:
        return speed(speeds[candidate].pop(0) if candidate in speeds else 900)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_a_candidate_wins_if_the_current_settings_miss_the_p99_in_most_rounds() -> None:
    batch = START.changed({"batch_size": 64})
    latencies = {START: [60, 60, 40, 60], batch: [40, 40, 60, 40]}

    def measure(candidate: Candidate) -> Measurement:
        return speed(1000, p99=latencies[candidate].pop(0) if candidate in latencies else 70)

    assert search(START, sweeps(2, MEMORY), Target(50), measure).winner == batch


def test_a_candidate_that_fails_to_serve_loses() -> None:
    def measure(candidate: Candidate) -> Measurement:
        return FAILED if candidate.workers == 2 else optimum(candidate)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner.workers == 1


def test_meeting_the_p99_counts_more_than_throughput() -> None:
    def measure(candidate: Candidate) -> Measurement:
        return speed(500, p99=40) if candidate.batch_size == 8 else speed(1000, p99=60)

    assert search(START, sweeps(2, MEMORY), Target(50), measure).winner.batch_size == 8
    assert search(START, sweeps(2, MEMORY), Target(70), measure).winner == START


def test_if_nothing_meets_the_p99_the_lowest_one_wins() -> None:
    target = Target(5)
    assert target.better(speed(100, p99=8), speed(900, p99=9))
    assert not target.better(speed(900, p99=9), speed(100, p99=9))
    assert target.better(speed(100, p99=900), FAILED)
    assert not target.better(FAILED, FAILED)


def test_errors_do_not_count_as_throughput() -> None:
    failing = dataclasses.replace(speed(9000), errors=3)
    assert not THROUGHPUT.holds(failing)
    assert THROUGHPUT.better(speed(1), failing)


def test_connections_fit_into_the_queue() -> None:
    assert THROUGHPUT.connections(queue=1000) == [CONNECTIONS]
    assert THROUGHPUT.connections(queue=20) == [20]
    assert Target(50).connections(queue=100) == [1, 2, 4, 8, 16, 32, 64]


def swept(p99: Callable[[int], float]) -> tuple[Measurement, list[int]]:
    """Sweep over a server whose throughput rises with each step; also returns the steps tried."""
    tried: list[int] = []

    def load(connections: int) -> Measurement:
        tried.append(connections)
        return speed(100.0 * connections, p99(connections), connections)

    return sweep([1, 2, 4, 8, 16, 32, 64], Target(50), load), tried


def test_a_sweep_stops_after_the_target_is_missed() -> None:
    best, tried = swept(lambda connections: 10.0 * connections)
    assert best.connections == 4
    assert tried == [1, 2, 4, 8, 16]


def test_one_bad_step_does_not_stop_a_sweep() -> None:
    best, _ = swept(lambda connections: 60.0 if connections == 2 else 20.0)
    assert best.connections == 64


def test_a_sweep_that_never_meets_the_p99_returns_the_best_one() -> None:
    best, tried = swept(lambda connections: 60.0 * connections)
    assert (best.connections, best.p99) == (1, 60.0)
    assert tried == [1, 2, 4]


def test_the_default_settings_are_read() -> None:
    models = Properties.read(SHIPPED.properties).models["sentiment"]["1.0"]
    settings = SHIPPED.read()
    assert settings.workers == models["minWorkers"]
    assert (settings.batch_size, settings.max_batch_delay) == (
        models["batchSize"],
        models["maxBatchDelay"],
    )
    handler = SHIPPED.handler.read_text(encoding="utf-8")
    assert f"threads: {settings.threads}\n" in handler
    assert f"tokens_per_microbatch: {settings.tokens_per_microbatch}\n" in handler


def test_writing_changes_the_values_and_no_other_byte(copy: Configuration) -> None:
    before = {path: path.read_bytes() for path in (copy.properties, copy.handler)}
    candidate = Candidate(3, 7, 77, 9, 1234)
    assert copy.write(candidate) == [copy.properties, copy.handler]
    assert copy.read() == candidate
    changed = {
        path.name: [
            line
            for line in difflib.ndiff(
                before[path].decode().splitlines(keepends=True),
                path.read_bytes().decode().splitlines(keepends=True),
            )
            if line.startswith("+ ")
        ]
        for path in before
    }
    assert changed == {
        "config.properties": [
            '+   "minWorkers": 3, "maxWorkers": 3, "batchSize": 77, "maxBatchDelay": 9}}}\n'
        ],
        "model-config.yaml": ["+   tokens_per_microbatch: 1234\n", "+   threads: 7\n"],
    }
    copy.write(START)
    assert {path: path.read_bytes() for path in before} == before


def test_only_a_file_that_differs_is_written(copy: Configuration) -> None:
    start = copy.read()
    assert copy.write(start) == []
    assert copy.write(start.changed({"batch_size": 99})) == [copy.properties]
    assert copy.write(copy.read().changed({"threads": 9})) == [copy.handler]


def test_windows_line_ends_are_kept(copy: Configuration) -> None:
    text = copy.properties.read_bytes().replace(b"\n", b"\r\n")
    copy.properties.write_bytes(text)
    copy.write(copy.read().changed({"batch_size": 99}))
    assert copy.properties.read_bytes() == text.replace(b'"batchSize": 32', b'"batchSize": 99')


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"batchSize": 32, ', "", "batchSize to a number exactly once, but sets it 0 times"),
        ('"batchSize": 32', '"batchSize": 32, "batchSize": 16', "sets it 2 times"),
        ("models=", "modules=", "no setting 'models'"),
    ],
)
def test_reading_fails_if_a_setting_cannot_be_changed(
    copy: Configuration, old: str, new: str, reason: str
) -> None:
    text = copy.properties.read_text(encoding="utf-8")
    assert old in text
    copy.properties.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(Failure, match=reason):
        copy.read()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "one of the arguments --p99 --throughput is required"),
        (["--p99", "50ms", "--throughput"], "not allowed with"),
        (["--p99", "fast"], "must be a duration such as 50ms or 0.2s, not 'fast'"),
        (["--throughput", "--seconds", "0"], "at least 1"),
    ],
)
def test_an_invalid_command_line_is_refused(
    words: list[str],
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tqdm", reason="needs what 'make bench' installs")
    from tuning.__main__ import arguments

    monkeypatch.setattr("sys.argv", ["tuning", *words])
    with pytest.raises(SystemExit):
        arguments()
    assert reason in capsys.readouterr().err


def test_the_table_marks_the_current_and_the_best_settings() -> None:
    best = START.changed({"workers": 2, "threads": 1})
    table = report.table([(START, speed(1000)), (best, speed(1200)), (best, FAILED)], START, best)
    head, first, second, third = table.splitlines()
    assert head.split() == list(report.HEAD)
    assert first.endswith("current")
    assert " ".join(second.split()) == "2 1 32 1 auto 64 1200 5.0 10.0 best"
    assert third.endswith("errors")


def test_trials_with_the_same_settings_that_differ_are_a_warning() -> None:
    other = START.changed({"batch_size": 8})
    assert report.unsteady([(START, speed(100)), (other, speed(300)), (START, speed(110))]) is None
    warning = report.unsteady([(START, speed(100)), (other, FAILED), (START, speed(150))])
    assert warning is not None
    assert "by a factor of 1.5" in warning


def test_a_missed_target_is_reported_with_the_best_settings() -> None:
    tried = [(START, speed(100, p99=9)), (START.changed({"batch_size": 8}), speed(90, p99=7))]
    reason = str(report.missed(tried, Target(5)))
    assert "a p99 of 5 ms" in reason
    assert "7.0 ms, with 1 x 2, batch 8" in reason
    assert "did not meet it again" in str(report.missed(tried, Target(8)))
