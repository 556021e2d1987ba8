"""The parts of the tuning that compute: what is tried, the search, the edits, durations."""

import argparse
import dataclasses
import difflib
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.failure import Failure
from scripts.launcher.properties import Properties
from tuning import report
from tuning.configuration import Configuration
from tuning.measurement import NONE, Figures
from tuning.search import search
from tuning.settings import WORKER_BYTES, Candidate, sweeps, trials
from tuning.target import CONNECTIONS, Target, milliseconds
from tuning.trial import SHIPPED, climb

START = Candidate(1, 2, 32, 1, "auto")
MEMORY = 64 * WORKER_BYTES
THROUGHPUT = Target()


@pytest.fixture
def copy(tmp_path: Path) -> Configuration:
    """The two files, with settings that are known even where somebody has tuned."""
    for path in (SHIPPED.properties, SHIPPED.handler):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    copied = Configuration(tmp_path / SHIPPED.properties.name, tmp_path / SHIPPED.handler.name)
    copied.write(START)
    return copied


def speed(texts_per_second: float, p99: float = 10.0, connections: int = 64) -> Figures:
    return Figures(connections, texts_per_second, p99 / 2, p99)


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 6, 16, 96])
def test_workers_times_threads_are_never_more_than_the_cores(cores: int) -> None:
    splits = [START.changed(changes) for changes in sweeps(cores, MEMORY)[0]]
    assert splits
    assert len(set(splits)) == len(splits)
    assert all(1 <= each.workers * each.threads <= cores for each in splits)


def test_two_cores_are_split_in_every_way() -> None:
    splits = [(each["workers"], each["threads"]) for each in sweeps(2, MEMORY)[0]]
    assert splits == [(1, 2), (1, 1), (2, 1)]


def test_no_more_workers_are_tried_than_there_is_memory_for() -> None:
    assert {each["workers"] for each in sweeps(16, 2 * WORKER_BYTES)[0]} == {1, 2}
    assert {each["workers"] for each in sweeps(16, 0)[0]} == {1}


def test_a_delay_is_never_0_which_would_mean_100() -> None:
    assert min(each["max_batch_delay"] for each in sweeps(2, MEMORY)[2]) == 1


def optimum(candidate: Candidate) -> Figures:
    """Best with two workers of one thread, batches of 64, a delay of 2 ms, 4096 tokens."""
    found = 1000.0
    found *= 1.2 if (candidate.workers, candidate.threads) == (2, 1) else 1.0
    found *= {8: 0.7, 16: 0.9, 32: 1.0, 64: 1.1, 128: 1.05}[candidate.batch_size]
    found *= {1: 1.0, 2: 1.1, 5: 0.8, 10: 0.5}[candidate.max_batch_delay]
    found *= {"auto": 1.0, 1024: 0.9, 2048: 1.0, 4096: 1.1, 8192: 1.0}[
        candidate.tokens_per_microbatch
    ]
    return speed(found)


def test_the_search_finds_what_is_best() -> None:
    tried: list[Candidate] = []

    def measure(candidate: Candidate) -> Figures:
        tried.append(candidate)
        return optimum(candidate)

    found = search(START, sweeps(2, MEMORY), THROUGHPUT, measure)
    assert found.winner == Candidate(2, 1, 64, 2, 4096)
    assert found.before == optimum(START)
    # Nothing twice, but the last two in turn.
    once = trials(START, sweeps(2, MEMORY))
    assert len(set(tried[:once])) == once
    assert tried[once:] == [START, found.winner] * 3


def test_within_noise_the_settings_stay() -> None:
    def measure(candidate: Candidate) -> Figures:
        return speed(1000 if candidate == START else 1025)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_what_was_lucky_once_does_not_win() -> None:
    seen: set[Candidate] = set()

    def measure(candidate: Candidate) -> Figures:
        lucky = candidate.batch_size == 64 and candidate not in seen
        seen.add(candidate)
        return speed(1300 if lucky else 1000)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_what_does_not_win_every_round_does_not_win() -> None:
    batch = START.changed({"batch_size": 64})
    speeds = {START: [1000, 1000, 1400, 1000], batch: [1300, 1300, 1300, 1300]}

    def measure(candidate: Candidate) -> Figures:
        return speed(speeds[candidate].pop(0) if candidate in speeds else 900)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner == START


def test_what_holds_a_p99_that_the_settings_held_once_wins() -> None:
    batch = START.changed({"batch_size": 64})
    latencies = {START: [60, 60, 40, 60], batch: [40, 40, 60, 40]}

    def measure(candidate: Candidate) -> Figures:
        return speed(1000, p99=latencies[candidate].pop(0) if candidate in latencies else 70)

    assert search(START, sweeps(2, MEMORY), Target(50), measure).winner == batch


def test_what_cannot_be_served_with_loses() -> None:
    def measure(candidate: Candidate) -> Figures:
        return NONE if candidate.workers == 2 else optimum(candidate)

    assert search(START, sweeps(2, MEMORY), THROUGHPUT, measure).winner.workers == 1


def test_for_a_p99_what_holds_it_beats_what_is_faster() -> None:
    def measure(candidate: Candidate) -> Figures:
        return speed(500, p99=40) if candidate.batch_size == 8 else speed(1000, p99=60)

    assert search(START, sweeps(2, MEMORY), Target(50), measure).winner.batch_size == 8
    assert search(START, sweeps(2, MEMORY), Target(70), measure).winner == START


def test_where_nothing_holds_a_p99_what_comes_nearest_goes_on() -> None:
    target = Target(5)
    assert target.better(speed(100, p99=8), speed(900, p99=9))
    assert not target.better(speed(900, p99=9), speed(100, p99=9))
    assert target.better(speed(100, p99=900), NONE)
    assert not target.better(NONE, NONE)


def test_answers_that_fail_fast_are_no_throughput() -> None:
    failing = dataclasses.replace(speed(9000), errors=3)
    assert not THROUGHPUT.held(failing)
    assert THROUGHPUT.better(speed(1), failing)


def test_connections_suit_the_queue_and_the_shell() -> None:
    assert THROUGHPUT.connections(queue=1000) == [CONNECTIONS]
    assert THROUGHPUT.connections(queue=20) == [20]
    assert Target(50).connections(queue=100) == [1, 2, 4, 8, 16, 32, 64]


def ladder(p99: Callable[[int], float]) -> tuple[Figures, list[int]]:
    """What comes of a server that is faster with every connection, and what it was asked."""
    asked: list[int] = []

    def load(connections: int) -> Figures:
        asked.append(connections)
        return speed(100.0 * connections, p99(connections), connections)

    return climb([1, 2, 4, 8, 16, 32, 64], Target(50), load), asked


def test_a_ladder_ends_where_the_target_does() -> None:
    best, asked = ladder(lambda connections: 10.0 * connections)
    assert best.connections == 4
    assert asked == [1, 2, 4, 8, 16]


def test_one_bad_step_does_not_end_a_ladder() -> None:
    best, _ = ladder(lambda connections: 60.0 if connections == 2 else 20.0)
    assert best.connections == 64


def test_a_ladder_that_never_holds_gives_the_best_p99() -> None:
    best, asked = ladder(lambda connections: 60.0 * connections)
    assert (best.connections, best.p99) == (1, 60.0)
    assert asked == [1, 2, 4]


def test_the_settings_that_ship_are_read() -> None:
    models = Properties.read(SHIPPED.properties).models["sentiment"]["1.0"]
    found = SHIPPED.read()
    assert found.workers == models["minWorkers"]
    assert (found.batch_size, found.max_batch_delay) == (
        models["batchSize"],
        models["maxBatchDelay"],
    )
    handler = SHIPPED.handler.read_text(encoding="utf-8")
    assert f"threads: {found.threads}\n" in handler
    assert f"tokens_per_microbatch: {found.tokens_per_microbatch}\n" in handler


def test_writing_changes_the_numbers_and_no_other_byte(copy: Configuration) -> None:
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


def test_line_ends_of_windows_stay(copy: Configuration) -> None:
    text = copy.properties.read_bytes().replace(b"\n", b"\r\n")
    copy.properties.write_bytes(text)
    copy.write(copy.read().changed({"batch_size": 99}))
    assert copy.properties.read_bytes() == text.replace(b'"batchSize": 32', b'"batchSize": 99')


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"batchSize": 32, ', "", "batchSize once, as a number, and says it 0 times"),
        ('"batchSize": 32', '"batchSize": 32, "batchSize": 16', "says it 2 times"),
        ("models=", "modules=", "no setting 'models'"),
    ],
)
def test_what_cannot_be_edited_is_said_before_anything_is_measured(
    copy: Configuration, old: str, new: str, said: str
) -> None:
    text = copy.properties.read_text(encoding="utf-8")
    assert old in text
    copy.properties.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(Failure, match=said):
        copy.read()


@pytest.mark.parametrize(("text", "value"), [("50ms", 50), ("0.2s", 200), ("1 s", 1000)])
def test_a_duration_is_read(text: str, value: float) -> None:
    assert milliseconds(text) == value


@pytest.mark.parametrize("text", ["fast", "", "50", "0ms", "-5ms", "5 min", "1e3ms"])
def test_a_duration_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="like 50ms"):
        milliseconds(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "one of the arguments --p99 --throughput is required"),
        (["--p99", "50ms", "--throughput"], "not allowed with"),
        (["--p99", "fast"], "a duration is like 50ms or 0.2s, not 'fast'"),
        (["--throughput", "--seconds", "0"], "at least 1"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm", reason="needs what 'make bench' installs")
    from tuning.__main__ import arguments

    monkeypatch.setattr("sys.argv", ["tuning", *words])
    with pytest.raises(SystemExit):
        arguments()
    assert said in capsys.readouterr().err


def test_the_table_says_which_were_and_which_are_best() -> None:
    best = START.changed({"workers": 2, "threads": 1})
    said = report.table([(START, speed(1000)), (best, speed(1200)), (best, NONE)], START, best)
    head, first, second, third = said.splitlines()
    assert head.split() == list(report.HEAD)
    assert first.endswith("as it was")
    assert " ".join(second.split()) == "2 1 32 1 auto 64 1200 5.0 10.0 best"
    assert third.endswith("not all answered")


def test_settings_that_differ_from_themselves_are_a_warning() -> None:
    other = START.changed({"batch_size": 8})
    assert report.unsteady([(START, speed(100)), (other, speed(300)), (START, speed(110))]) is None
    said = report.unsteady([(START, speed(100)), (other, NONE), (START, speed(150))])
    assert said is not None
    assert "by a factor of 1.5" in said


def test_a_target_that_is_missed_comes_with_the_best_that_was_seen() -> None:
    tried = [(START, speed(100, p99=9)), (START.changed({"batch_size": 8}), speed(90, p99=7))]
    said = str(report.missed(tried, Target(5)))
    assert "a p99 of 5 ms" in said
    assert "7.0 ms, with 1 x 2, batch 8" in said
    assert "did not hold it again" in str(report.missed(tried, Target(8)))
