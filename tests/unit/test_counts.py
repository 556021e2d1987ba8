"""Counters and histograms reach TorchServe's own metrics, as it prints them for its frontend."""

import logging
import threading

import pytest

from sentiment.counts import Counts
from tests.unit.metric_updates import declared, updates

BOUNDS = (0.05, 0.1, 1)
NAME = "sentiment_request_seconds"


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def counts() -> Counts:
    return Counts({NAME: BOUNDS}, ["sentiment", "Model"])


def test_a_histogram_is_a_counter_per_cumulative_bucket(
    counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    for value in (0.1, 0.3, 7):  # a bound belongs to its bucket
        counts.observe(NAME, value)
    counts.observe(NAME, 0.06, times=4)
    counts.flush(declared())
    assert updates(caplog) == pytest.approx(
        {
            f"{NAME}_bucket le:0.05": 0,
            f"{NAME}_bucket le:0.1": 5,
            f"{NAME}_bucket le:1": 6,
            f"{NAME}_bucket le:+Inf": 7,
            f"{NAME}_sum": 0.1 + 0.3 + 7 + 4 * 0.06,
            f"{NAME}_count": 7,
        }
    )


def test_only_changes_are_sent_and_every_series_once(
    counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    counts.count("sentiment_labels_total", "POSITIVE", by=0)
    counts.flush(declared())
    assert set(updates(caplog).values()) == {0}
    assert f"{NAME}_bucket le:0.05" in updates(caplog)
    assert "sentiment_labels_total label:POSITIVE" in updates(caplog)
    caplog.clear()
    counts.count("sentiment_labels_total", "POSITIVE", by=0)
    counts.observe(NAME, 0.5)
    counts.flush(declared())
    assert updates(caplog) == {
        f"{NAME}_bucket le:1": 1,
        f"{NAME}_bucket le:+Inf": 1,
        f"{NAME}_sum": 0.5,
        f"{NAME}_count": 1,
    }
    caplog.clear()
    counts.flush(declared())
    assert not updates(caplog)


def test_wider_buckets_are_sent_first(counts: Counts, caplog: pytest.LogCaptureFixture) -> None:
    """Prometheus may read in between, and must not find more in a bucket than in a wider one."""
    counts.observe(NAME, 0.01)
    counts.flush(declared())
    buckets = [name.split(":")[1] for name in updates(caplog) if "_bucket" in name]
    assert buckets == ["+Inf", "1", "0.1", "0.05"]


@pytest.mark.parametrize(
    ("label", "sent"),
    [
        ("5 stars", "5 stars"),
        ("très bien 好", "très bien 好"),
        ("a:b,c|d", "a_b_c_d"),
        ("one\ntwo\r\u2028three\x85\ud800", "one_two__three__"),
        ("", "_"),
    ],
)
def test_no_label_breaks_the_line_of_an_update(
    counts: Counts, caplog: pytest.LogCaptureFixture, label: str, sent: str
) -> None:
    counts.count("sentiment_labels_total", label)
    counts.flush(declared())
    assert updates(caplog)[f"sentiment_labels_total label:{sent}"] == 1


def test_a_metric_that_is_not_declared_is_reported_once_and_stops_no_other(
    counts: Counts, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        counts.count("sentiment_unknown_total")
        counts.count("sentiment_batches_total")
        counts.flush(declared())
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert errors[0].startswith("sentiment_unknown_total is not counted")
    assert updates(caplog)["sentiment_batches_total"] == 2


def test_nothing_is_lost_between_threads(counts: Counts, caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            counts.flush(declared())

    flushing = threading.Thread(target=flush)
    flushing.start()
    for _ in range(20_000):
        counts.count("sentiment_batches_total")
        counts.observe(NAME, 0.5)
    done.set()
    flushing.join()
    counts.flush(declared())
    sent = updates(caplog)
    assert sent["sentiment_batches_total"] == sent[f"{NAME}_count"] == 20_000
    assert sent[f"{NAME}_bucket le:+Inf"] == sent[f"{NAME}_bucket le:1"] == 20_000
