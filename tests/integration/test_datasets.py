"""`sentiment score` and `compare` with the real server, and with the engine of the real archive."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment_client import Prediction, SentimentClient
from sentiment_client.cli import main

TEXTS = ["A wonderful film.", "", "A terrible mess.", "x" * 50_001, *["good, bad"] * 300]


def test_a_data_set_gets_the_results_of_the_client(
    server: Server, client: SentimentClient, tmp_path: Path
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.parquet"
    rows = [{"id": i, "text": text} for i, text in enumerate(TEXTS)]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["--address", server.properties.inference, "score", str(source)]
    assert main([*command, "--output", str(target)]) == 1

    failed = pq.read_table(tmp_path / "out.failed.parquet").to_pylist()
    assert [(row["id"], row["error_type"]) for row in failed] == [
        (1, "Validation"),
        (3, "TooLarge"),
    ]
    results = client.predict_many(TEXTS)
    expected = [(i, r.label, r.score) for i, r in enumerate(results) if isinstance(r, Prediction)]
    scored = pq.read_table(target).to_pylist()
    assert [(row["id"], row["label"], row["score"]) for row in scored] == expected
    assert all(row[f"score_{row['label']}"] == row["score"] for row in scored)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = [{"id": i, "text": text} for i, text in enumerate([*TEXTS, "bad \ud800", None])]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_local_engine_writes_what_the_server_answers(
    server: Server, archive: Path, source: Path, tmp_path: Path
) -> None:
    remote, local = tmp_path / "remote.parquet", tmp_path / "local.parquet"
    address = ["--address", server.properties.inference]
    assert main([*address, "score", str(source), "--output", str(remote)]) == 1
    engine = ["--engine", "local", "--archive", str(archive), "--processes", "1"]
    assert main(["score", str(source), "--output", str(local), *engine]) == 1
    assert pq.read_schema(local) == pq.read_schema(remote)
    for path in (remote, remote.with_suffix(".failed.parquet")):
        expected = pq.read_table(path).to_pylist()
        rows = pq.read_table(path.with_stem(path.stem.replace("remote", "local"))).to_pylist()
        # Other texts in a batch change a score slightly.
        scores = [[row.pop(key, 0) for key in list(row) if "score" in key] for row in expected]
        found = [[row.pop(key, 0) for key in list(row) if "score" in key] for row in rows]
        assert rows == expected
        assert found == [pytest.approx(row, abs=0.01) for row in scores]


def test_a_server_and_its_own_archive_have_no_flips(
    server: Server, archive: Path, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [server.properties.inference, str(archive)]
    options = ["--max-flips", "0", "--processes", "1", "--json"]
    assert main(["compare", *both, str(source), *options]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["rows"], shown["flips"]) == (len(TEXTS) + 2, 0)
    assert shown["shift"]["max"] < 0.01


def test_a_killed_run_of_the_local_engine_leaves_nothing_and_is_continued(
    archive: Path, tmp_path: Path
) -> None:
    texts = [f"A good film number {i}." for i in range(2_000)]
    source, target = tmp_path / "in.txt", tmp_path / "out.jsonl"
    source.write_text("".join(f"{text}\n" for text in texts))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    # With small parts, a short run has several.
    program = "from sentiment_client.datasets import score; score.ROWS_PER_PART = 256"
    program += "; from sentiment_client.cli import main; main()"
    command = [sys.executable, "-c", program, "score", str(source)]
    command += ["--output", str(target), "--engine", "local", "--archive", str(archive)]
    command += ["--processes", "1"]
    environment = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(ROOT / "client")}
    with subprocess.Popen(command, env=environment) as process:
        children = wait_for(
            lambda: (
                list(tmp_path.glob("out.jsonl.parts/*.parquet"))
                and psutil.Process(process.pid).children(recursive=True)
            )
        )
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(children, 30)
    assert not [child for child in children if child.is_running()]
    assert list(temporary.glob("sentiment-*")) == []
    assert not target.exists()
    assert main(command[3:]) == 0
    rows = [json.loads(line)["text"] for line in target.read_text().splitlines()]
    assert rows == texts


def wait_for(condition: Callable[[], Any]) -> Any:
    """The first value of `condition` that is true."""
    deadline = time.monotonic() + 300
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return value


def test_a_file_that_is_no_archive_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["score", str(source), "--output", str(tmp_path / "out.csv"), "--engine", "local"]
    for path in (source, tmp_path):
        assert main([*command, "--archive", str(path)]) == 1
        assert "is not a model archive" in capsys.readouterr().err
    assert main([*command, "--archive", str(tmp_path / "none.mar")]) == 1
    assert "none.mar: No such file" in capsys.readouterr().err
