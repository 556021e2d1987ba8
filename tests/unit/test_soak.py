"""A soak test keeps its minutes, and sums them up."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks import soak
from scripts.failure import Failure

MINUTE = soak.Minute(300, {}, 5.0, 20.0, 50.0, 90.0, 165.0, 300.0, 110, 6, [1, 2])


def test_the_table_has_the_first_and_the_last_minute_and_all_failures() -> None:
    restarted = replace(MINUTE, pids=[1, 3], failures={"short: 500": 2}, worst=700.0, java=166.4)
    text = soak.table([MINUTE] * 19 + [restarted])
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == soak.ROWS
    assert rows[0] == "| 1 | 5.0 ms | 20.0 ms | 50 ms | 300 MiB | 165 MiB | 6 | 110 |"
    assert rows[-1].startswith("| 20 |")
    assert "6,000 requests in 20 minutes, 2 wrong answers {'short: 500': 2}; 2 set(s)" in text
    assert "took 700 ms" in text


def test_minutes_are_read_again(tmp_path: Path) -> None:
    file = tmp_path / "minutes.jsonl"
    assert soak.read(file) == []
    file.write_text(json.dumps(asdict(MINUTE)) + "\n")
    assert soak.read(file) == [MINUTE]
    file.write_text("{")
    with pytest.raises(Failure, match="delete it"):
        soak.read(file)


def test_percentiles_need_answers() -> None:
    assert soak.percentiles([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.9, 2.98, 3.0))
    with pytest.raises(Failure, match="Hardly any request"):
        soak.percentiles([1.0])
