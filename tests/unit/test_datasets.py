"""`sentiment score` on whole data sets: formats, failing rows, and runs that end early."""

import csv
import gzip
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scripts.paths import ROOT
from sentiment_client.cli import main
from tests.unit.client_cases import WORKER_DIED, answers, error
from tests.unit.scripted_server import Scripted, scripted

RESULTS = ["label", "score", "score_NEGATIVE", "score_POSITIVE", "tokens", "windows", "truncated"]


def answer(body: bytes) -> tuple[int, bytes]:
    """A server whose scores depend on the text, and which refuses blank texts."""
    return answers(*map(entry, json.loads(body)["texts"]))


def entry(text: str) -> dict[str, object]:
    if not text.strip():
        return {"error": "The text is blank.", "error_type": "Validation"}
    positive = (len(text) * 7 + ord(text[-1])) % 100 / 100
    label = "POSITIVE" if positive >= 0.5 else "NEGATIVE"
    return {
        "sentiment": label,
        "score": max(positive, 1 - positive),
        "scores": {"NEGATIVE": 1 - positive, "POSITIVE": positive},
        "tokens": len(text.split()) + 2,
        "windows": 1 + len(text) % 3,
        "truncated": False,
    }


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(answer) as server:
        yield server


@pytest.fixture
def score(server: Scripted) -> Callable[..., int]:
    """Runs `sentiment score`, and returns its exit code."""
    return lambda *arguments: main(["--address", server.address, "score", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a file in any format; those of CSV hold only text."""
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.splitlines()]
    delimiter = "\t" if path.suffix == ".tsv" else ","
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def write_csv(path: Path, texts: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(["id", "text", "note"])
        writer.writerows([f"{i:03}", text, ""] for i, text in enumerate(texts))
    return path


TEXTS = ["Funny, warm\nand wise.", 'A "mess".', "日本\tcafé", *(f"text {i}" for i in range(600))]


def write(path: Path) -> Path:
    """Write `TEXTS` and columns of several types in the format of the path."""
    if path.suffix in (".csv", ".tsv"):
        return write_csv(path, TEXTS)
    rows = [
        {"id": i, "text": text, "day": date(2026, 1, 1 + i % 28), "tags": ["a", str(i)]}
        for i, text in enumerate(TEXTS)
    ]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("output", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("source", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_keeps_rows_columns_and_values(
    score: Callable[..., int], tmp_path: Path, source: str, output: str
) -> None:
    path, target = write(tmp_path / f"in.{source}"), tmp_path / f"out.{output}"
    assert score(path, "--output", target) == 0
    rows, before = rows_of(target), rows_of(path)
    assert list(rows[0]) == [*before[0], *RESULTS]
    for row, original, text in zip(rows, before, TEXTS, strict=True):
        for name, value in original.items():
            kept = row[name]
            if output in ("csv", "tsv") and not isinstance(value, str):
                value = json.dumps(value, default=str).strip('"')
            elif output == "jsonl" and isinstance(value, date):
                value = str(value)
            assert kept == value
        expected = entry(text)
        assert row["label"] == expected["sentiment"]
        assert float(row["score_POSITIVE"]) == expected["scores"]["POSITIVE"]  # type: ignore[index]
        assert int(row["tokens"]) == expected["tokens"]
        assert int(row["windows"]) == expected["windows"]
    assert sorted(tmp_path.iterdir()) == sorted([path, target])


def test_columns_keep_their_types(score: Callable[..., int], tmp_path: Path) -> None:
    source, target = write(tmp_path / "in.parquet"), tmp_path / "out.parquet"
    assert score(source, "--output", target) == 0
    types = pq.read_schema(target)
    assert types.field("day").type == pa.date32()
    assert types.field("tags").type == pa.list_(pa.string())
    assert [str(types.field(name).type) for name in RESULTS] == [
        *("string", "double", "double", "double", "int64", "int64", "bool")
    ]


@pytest.mark.parametrize("compressed", [True, False])
def test_plain_lines_may_be_compressed(
    score: Callable[..., int], tmp_path: Path, compressed: bool
) -> None:
    content = "\ufefffine\r\nbad café\nno end".encode()
    source = tmp_path / ("in.txt.gz" if compressed else "in.txt")
    source.write_bytes(gzip.compress(content) if compressed else content)
    assert score(source, "--output", tmp_path / "out.jsonl") == 0
    assert [row["text"] for row in rows_of(tmp_path / "out.jsonl")] == [
        *("fine", "bad café", "no end")
    ]


BROKEN = (
    b'{"id": 1, "text": "good"}\n'
    b"\n"
    b'{"id": 2, "text": null}\n'
    b"[1]\n"
    b'{"id": 3, "text": "bad \\ud800"}\n'
    b'{"id": 4, "text": " "}\n'
    b'{"id": 5, "text": "caf\xe9"}\n'
    b"{broken\n"
    b'{"id": 6, "text": 7}\n'
    b'{"text": "no id"}\n'
)


def test_rows_that_fail_have_a_file_of_their_own_with_the_reason(
    score: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(BROKEN)
    assert score(source, "--output", target) == 1
    assert [row["id"] for row in rows_of(target)] == [1, None]
    failed = rows_of(tmp_path / "out.failed.jsonl")
    assert [(row["row"], row["id"], row["error_type"]) for row in failed] == [
        (2, 2, "Validation"),
        (3, None, "Malformed"),
        (4, None, "Malformed"),
        (5, 4, "Validation"),
        (6, None, "Malformed"),
        (7, None, "Malformed"),
        (8, 6, "Validation"),
    ]
    assert all(re.fullmatch(r"[A-Z].*\.", row["error"]) for row in failed)
    out = capsys.readouterr().out
    assert "2 rows scored" in out
    assert "7 rows failed" in out
    # Once repaired, no file of failures is left.
    source.write_text('{"text": "good"}\n')
    assert score(source, "--output", target, "--overwrite") == 0
    assert not (tmp_path / "out.failed.jsonl").exists()


def test_a_broken_csv_row_fails_alone_and_keeps_what_it_has(
    score: Callable[..., int], tmp_path: Path
) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes(b"id,text\n1,good\n2\n3,bad,more\n4,caf\xe9\n\n5,fine\n")
    assert score(source, "--output", tmp_path / "out.csv", "--failed", tmp_path / "no.csv") == 1
    assert [row["id"] for row in rows_of(tmp_path / "out.csv")] == ["1", "5"]
    failed = rows_of(tmp_path / "no.csv")
    assert [(row["row"], row["id"]) for row in failed] == [("2", "2"), ("3", "3"), ("4", "4")]
    assert "1 fields and the header 2" in failed[0]["error"]
    assert "UTF-8" in failed[2]["error"]


def test_values_of_different_types_become_text(score: Callable[..., int], tmp_path: Path) -> None:
    """Also where they differ only between parts of the input."""
    ids = [*range(1_000), "x", 2**70, [1], {"a": "é"}]
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"id": i, "text": "good"}) + "\n" for i in ids))
    assert score(source, "--output", target) == 0
    kept = [row["id"] for row in rows_of(target)]
    assert kept == [*map(str, range(1_000)), "x", str(2**70), "[1]", '{"a": "é"}']


@pytest.mark.usefixtures("pauses")
def test_a_text_that_kills_workers_fails_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    write_csv(source, [f"text {i}" for i in range(40)] + ["killer"] + ["after"] * 50)
    with scripted(lambda body: WORKER_DIED if b"killer" in body else answer(body)) as server:
        assert main(["--address", server.address, "score", str(source), "--output", str(target)])
    assert len(rows_of(target)) == 90
    (failed,) = rows_of(tmp_path / "out.failed.csv")
    assert (failed["row"], failed["text"], failed["error_type"]) == ("41", "killer", "WorkerDied")


@pytest.mark.usefixtures("pauses")
def test_a_server_that_fails_on_every_text_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_csv(tmp_path / "in.csv", ["good"] * 40)
    with scripted((500, error("Backend", "It is broken."))) as server:
        arguments = ["--address", server.address, "score", str(source)]
        assert main([*arguments, "--output", str(tmp_path / "out.csv")]) == 1
    assert capsys.readouterr().err == "sentiment: It is broken. (HTTP 500)\n"
    assert list(tmp_path.iterdir()) == [source]


def test_a_run_that_failed_is_continued(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = [f"text {i}" for i in range(1_000)]
    source, target = write_csv(tmp_path / "in.csv", texts), tmp_path / "out.csv"

    def fails_at_500(body: bytes) -> tuple[int, bytes]:
        return (404, b"{}") if b'"text 500"' in body else answer(body)

    def command(server: Scripted, *more: str) -> list[str]:
        output = ["--output", str(target), "--concurrency", "1"]
        return ["--address", server.address, "score", str(source), *output, *more]

    with scripted(fails_at_500) as server:
        assert main(command(server)) == 1
    assert "480 rows are done: run the same command again" in capsys.readouterr().err
    assert not target.exists()
    with scripted(answer) as server:
        assert main(command(server, "--prefix", "p_")) == 1
        assert "--prefix has changed" in capsys.readouterr().err
        assert server.requests == []
        assert main(command(server)) == 0
        sent = [text for body in server.bodies for text in json.loads(body)["texts"]]
    assert sent == texts[480:]
    assert [row["text"] for row in rows_of(target)] == texts


def test_a_changed_input_is_not_mixed_with_the_old_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_csv(tmp_path / "in.csv", [f"text {i}" for i in range(200)])
    output = ["score", str(source), "--output", str(tmp_path / "out.csv"), "--concurrency", "1"]
    failing = scripted(lambda body: (404, b"{}") if b"text 99" in body else answer(body))
    with failing as server:
        assert main(["--address", server.address, *output]) == 1
    write_csv(source, [f"other {i}" for i in range(300)])
    with scripted(answer) as server:
        assert main(["--address", server.address, *output]) == 1
        assert "The input has changed" in capsys.readouterr().err
        assert main(["--address", server.address, *output, "--overwrite"]) == 0
    assert [row["text"] for row in rows_of(tmp_path / "out.csv")] == [
        f"other {i}" for i in range(300)
    ]


def run_command(server: Scripted, *arguments: object, code: str = "", stdin: bytes = b"") -> Any:
    """Run the command in a process of its own, after `code`."""
    program = f"import sys\nfrom sentiment_client.cli import main\n{code}\nsys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, "--address", server.address, *map(str, arguments)],
        input=stdin,
        env=os.environ | {"PYTHONPATH": str(ROOT / "client")},
        capture_output=True,
        check=False,
        timeout=300,
    )


def test_stdin_is_continued_when_given_again(server: Scripted, tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(1_000)]
    target = tmp_path / "out.jsonl"
    arguments = ("score", "-", "--format", "lines", "--output", target)
    dies = "from sentiment_client.datasets import score\nscore.ROWS_PER_PART = 256\n" + DIES
    first = run_command(
        server, *arguments, code=dies.format(calls=3, after=True), stdin=lines(texts)
    )
    assert first.returncode == 9
    sent = len(server.requests)
    other = run_command(server, *arguments, stdin=lines(["other", *texts]))
    assert b"The input has changed" in other.stderr
    cut = run_command(server, *arguments, stdin=lines(texts[:300]))
    assert b"give it from its beginning" in cut.stderr
    assert len(server.requests) == sent
    assert run_command(server, *arguments, stdin=lines(texts)).returncode == 0
    assert [row["text"] for row in rows_of(target)] == texts
    assert len(server.requests) - sent < 1_000 / 32 * 0.6


def lines(texts: list[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


# Ends the process like a kill, at its call number `calls` of Path.replace.
DIES = """
import itertools, os, pathlib
replace, number = pathlib.Path.replace, itertools.count(1)
def dies(path, target):
    last = next(number) == {calls}
    if last and not {after}:
        os._exit(9)
    replace(path, target)
    if last:
        os._exit(9)
pathlib.Path.replace = dies
"""


@pytest.mark.parametrize("after", [True, False])
def test_a_kill_at_any_step_neither_loses_nor_repeats_a_row(
    server: Scripted, tmp_path: Path, after: bool
) -> None:
    texts = ["", *(f"text {i}" for i in range(700))]
    source = write_csv(tmp_path / "in.csv", texts)
    small = "from sentiment_client.datasets import score\nscore.ROWS_PER_PART = 256\n"
    for calls in range(1, 20):
        folder = tmp_path / str(calls)
        folder.mkdir()
        arguments = ("score", source, "--output", folder / "out.csv")
        dies = small + DIES.format(calls=calls, after=after)
        ended = run_command(server, *arguments, code=dies).returncode
        if ended == 9:
            ended = main(["--address", server.address, *map(str, arguments)])
        assert ended == 1  # one row failed
        assert [row["text"] for row in rows_of(folder / "out.csv")] == texts[1:]
        assert [row["row"] for row in rows_of(folder / "out.failed.csv")] == ["1"]
        assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "out.failed.csv"]
        if calls > 6:  # one of run.json, three of parts, two of files
            break
    else:
        pytest.fail("The process never ended by itself.")


def test_a_killed_run_is_continued(server: Scripted, tmp_path: Path) -> None:
    texts = [f"text {i}" for i in range(30_000)]
    source, target = tmp_path / "in.txt", tmp_path / "out.parquet"
    source.write_bytes(lines(texts))
    command = [sys.executable, "-m", "sentiment_client", "--address", server.address]
    command += ["score", str(source), "--output", str(target)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    with subprocess.Popen(command, env=environment) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("out.parquet.parts/*.parquet")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    assert main(command[3:]) == 0
    assert [row["text"] for row in rows_of(target)] == texts


def test_a_finished_run_is_not_repeated(
    score: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also if it was killed while it removed its parts, without the first of them."""
    source, target = write_csv(tmp_path / "in.csv", ["good"]), tmp_path / "out.csv"
    assert score(source, "--output", target) == 0
    parts = tmp_path / "out.csv.parts"
    parts.mkdir()
    (parts / "000000008192.parquet").touch()
    assert score(source, "--output", target) == 1
    assert "out.csv exists: replace it with --overwrite" in capsys.readouterr().err
    assert score(source, "--output", target, "--overwrite") == 0
    assert not parts.exists()


# Not ru_maxrss, which begins at that of the process that started this one.
PEAK = """
import atexit, pathlib, re
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: print(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]))
"""


def peak(server: Scripted, source: Path) -> int:
    """The peak memory of a run, in KiB."""
    target = source.with_suffix(".parquet")
    done = run_command(server, "score", source, "--output", target, code=PEAK)
    return int(done.stdout.split()[-1])


def test_memory_does_not_grow_with_the_data_set(server: Scripted, tmp_path: Path) -> None:
    """`python -m benchmarks.dataset` measures a million rows."""
    peaks = []
    for rows in (1_000, 7_000):  # 10 and 70 MB
        source = tmp_path / f"{rows}.txt"
        source.write_text(f"{'good ' * 2_000}\n" * rows)
        peaks.append(peak(server, source))
    assert peaks[1] - peaks[0] < 30_000, peaks


def test_two_processes_do_not_write_one_output(server: Scripted, tmp_path: Path) -> None:
    source, target = write_csv(tmp_path / "in.csv", ["good"]), tmp_path / "out.csv"
    refusals: list[bytes] = []

    def second() -> None:
        server.arrived = lambda: None
        refusals.append(run_command(server, "score", source, "--output", target).stderr)

    server.arrived = second
    assert main(["--address", server.address, "score", str(source), "--output", str(target)]) == 0
    (refusal,) = refusals
    assert b"Another process is using" in refusal


@pytest.mark.parametrize(
    ("content", "arguments", "sentence"),
    [
        (
            "id,review\n1,x\n",
            [],
            "no column named 'text': choose one with --column, from id, review",
        ),
        ("text,label\nx,y\n", [], "a column named 'label'.* --prefix"),
        ("text,score_POSITIVE\nx,y\n", [], "a column named 'score_POSITIVE'.* --prefix"),
        ("text,text\nx,y\n", [], "has a name twice"),
        ("", [], "has no rows"),
        ("text\n", [], "has no rows"),
        ('text\n"' + "x" * ((1 << 24) + 1), [], "Line 2 .*repair the quotes"),
        ("text\nx\n", ["--format", "parquet"], "not a Parquet file"),
        ("text\nx\n", ["--concurrency", "0"], "at least 1"),
    ],
)
def test_an_input_that_cannot_be_scored_is_a_sentence(
    score: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: str,
    arguments: list[str],
    sentence: str,
) -> None:
    source = tmp_path / "in.csv"
    source.write_text(content)
    assert score(source, "--output", tmp_path / "out.csv", *arguments) == 1
    assert re.search(sentence, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["none.csv", "--output", "out.csv"], "none.csv: No such file"),
        (["in.xlsx", "--output", "out.csv"], "The format of in.xlsx is not known"),
        (["in.txt", "--output", "out.txt"], "out.txt cannot be written"),
        (["in.txt", "--output", "out.csv.gz"], "out.csv.gz cannot be written"),
        (["-", "--output", "out.csv"], "--format"),
        (["-", "--output", "out.csv", "--format", "parquet"], "name the file"),
        (["in.txt", "--output", "out.csv", "--failed", "out.csv"], "change --failed"),
        (["in.txt", "--output", "in.csv"], "in.csv exists: replace it with --overwrite"),
        (["in.txt.gz", "--output", "out.csv"], "not a complete gzip file"),
    ],
)
def test_wrong_files_are_a_sentence(
    score: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in.txt", "in.csv", "in.txt.gz"):
        Path(name).write_text("text\nx\n")
    assert score(*arguments) == 1
    assert re.search(sentence, capsys.readouterr().err)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "in.txt", "in.txt.gz"]


def test_a_pipe_with_a_name_is_read(server: Scripted, tmp_path: Path) -> None:
    """As bash makes one: sentiment score <(zcat in.gz) --format lines."""
    pipe, target = tmp_path / "pipe", tmp_path / "out.jsonl"
    os.mkfifo(pipe)
    with subprocess.Popen(["sh", "-c", f"printf 'good\\nbad\\n' > {pipe}"]):
        command = ["score", str(pipe), "--format", "lines", "--output", str(target)]
        assert main(["--address", server.address, *command]) == 0
    assert [row["text"] for row in rows_of(target)] == ["good", "bad"]


def test_a_terminal_shows_the_rate_and_the_time_left(server: Scripted, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", [f"text {i}" for i in range(2_000)])
    primary, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    command = [sys.executable, "-m", "sentiment_client", "--address", server.address, "score"]
    command += [str(source), "--output", str(tmp_path / "out.csv")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    subprocess.run(command, stderr=terminal, env=environment, check=True, timeout=300)
    os.close(terminal)
    shown = os.read(primary, 1 << 16).decode()
    os.close(primary)
    last = shown.strip().split("\r")[-1]
    assert re.search(r"100%.* 2000/2000 \[\d\d:\d\d<00:00, .* rows/s\]", last), last


def test_the_summary_is_json_on_request(
    score: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = write_csv(tmp_path / "in.csv", ["good", ""]), tmp_path / "out.csv"
    assert score(source, "--output", target, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "rows": 2,
        "failed": 1,
        "output": str(target),
        "failed_rows": str(tmp_path / "out.failed.csv"),
    }


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [("pyarrow", "data", []), ("ray", "ray", ["--ray", "--archive", "in.csv"])],
)
def test_a_missing_extra_is_named(
    tmp_path: Path, module: str, extra: str, arguments: list[str]
) -> None:
    write_csv(tmp_path / "in.csv", ["good"])
    code = (
        f"import sys; sys.modules[{module!r}] = None; from sentiment_client.cli import main; main()"
    )
    run = [sys.executable, "-c", code, "score", "in.csv", "--output", "out.csv", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")}
    done = subprocess.run(
        run, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == (
        f"sentiment: This command needs {module}: pip install 'torchserve-sentiment[{extra}]'.\n"
    )
