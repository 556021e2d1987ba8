"""`make bench` from end to end, with few servers and short loads; the requests of `make soak`.

The former needs wrk; without it the test is skipped.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from benchmarks import soak
from scripts.paths import ROOT

# For a slow machine: the textbook server scores them one by one.
SHORT = ("Funny!", "Boring!", "Great!", "Awful!")
needs_wrk = pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk: apt-get install wrk")


@needs_wrk
def test_a_short_run_is_measured_reported_and_resumed(archive: Path, tmp_path: Path) -> None:
    results, texts = tmp_path / "results.json", tmp_path / "texts.txt"
    texts.write_text("".join(f"{text} {number}\n" for number in range(9) for text in SHORT))
    command: list[str | Path] = [
        *(sys.executable, "-m", "benchmarks", "--quick", "--seconds", "1"),
        *("--servers", "fastapi", "service", "engine"),
        *("--archive", archive, "--results", results, "--output", tmp_path, "--texts", texts),
    ]
    subprocess.run(command, cwd=ROOT, env=os.environ, check=True, capture_output=True)
    measured = json.loads(results.read_text(encoding="utf-8"))
    assert measured["broken"] == {}
    assert {m["server"] for m in measured["measurements"]} == {"fastapi", "service", "engine"}
    assert not any(m["errors"] for m in measured["measurements"])
    for name in ("RESULTS.md", "throughput.png", "latency.png"):
        assert 0 < (tmp_path / name).stat().st_size < 150_000

    # If one measurement is missing, only that one is repeated.
    lost = measured["measurements"].pop()
    results.write_text(json.dumps(measured), encoding="utf-8")
    subprocess.run([*command, "--resume"], cwd=ROOT, check=True, capture_output=True)
    again = json.loads(results.read_text(encoding="utf-8"))["measurements"]
    assert again[:-1] == measured["measurements"]
    assert (again[-1]["server"], again[-1]["load"]) == (lost["server"], lost["load"])


def test_each_kind_of_request_of_a_soak_test_gets_its_status(url: str) -> None:
    kinds = soak.kinds()
    assert sum(kind.share for kind in kinds) == pytest.approx(1)
    for kind in kinds:
        for body in kind.bodies[:4]:
            assert requests.post(url, json=body, timeout=60).status_code == kind.status, kind.name
