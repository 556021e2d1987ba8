"""The `sentiment` command against the real server."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher.server import Server
from sentiment_client.cli import main


def test_the_command_predicts(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["--address", server.properties.inference]
    assert main([*command, "predict", "A wonderful film.", "A terrible mess."]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("POSITIVE\t0.")
    assert first.endswith("\tA wonderful film.")
    assert second.startswith("NEGATIVE\t0.")

    monkeypatch.setattr("sys.stdin", piped(b"A wonderful film.\r\n\nA terrible mess.\n"))
    assert main([*command, "--json", "predict", "-"]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row.get("label", row.get("error_type")) for row in rows] == [
        "POSITIVE",
        "Validation",
        "NEGATIVE",
    ]

    monkeypatch.setattr("sys.stdin", piped(b"fine\ncaf\xe9\n"))
    assert main([*command, "predict", "-"]) == 1
    assert "line 2 of the input is not UTF-8" in capsys.readouterr().err


def test_the_command_prints_the_details(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    text = "The acting is superb. The plot makes no sense at all."
    options = ["--sentences", "--explain", "--threshold", "1", "--labels", "NEGATIVE,POSITIVE"]
    assert main(["--address", server.properties.inference, "predict", text, *options]) == 0
    first, mixed, praise, criticism, why = capsys.readouterr().out.splitlines()
    assert first.startswith("UNCERTAIN\t0.")
    assert mixed.startswith("\tmixed\t")
    assert praise.endswith("\tThe acting is superb.")
    assert criticism.endswith("\tThe plot makes no sense at all.")
    assert why.startswith(("\twhy NEGATIVE\t", "\twhy POSITIVE\t"))
    assert '"superb"' in why


def test_the_command_answers_the_lines_before_a_broken_one(server: Server) -> None:
    run = [sys.executable, "-m", "sentiment_client", "--address", server.properties.inference]
    done = subprocess.run(
        [*run, "predict", "-"], input=b"fine\ncaf\xe9\n", capture_output=True, check=False
    )
    assert done.stdout.endswith(b"\tfine\n")
    assert b"line 2 of the input is not UTF-8" in done.stderr
    assert done.returncode == 1


def test_the_command_answers_a_line_before_it_reads_the_next_one(server: Server) -> None:
    run = [sys.executable, "-m", "sentiment_client", "--address", server.properties.inference]
    with subprocess.Popen(
        [*run, "predict", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as command:
        assert command.stdin
        assert command.stdout
        for line in (b"A wonderful film.\n", b"A terrible mess.\n"):
            command.stdin.write(line)
            command.stdin.flush()
            assert command.stdout.readline().endswith(line)  # or waits for ever
        command.stdin.close()
        assert command.wait(10) == 0


def piped(content: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")


def test_the_command_stops_quietly_when_its_stdout_is_closed(
    server: Server, tmp_path: Path
) -> None:
    texts = tmp_path / "texts"
    texts.write_text("good\n" * 3_000)
    program = f"{sys.executable} -m sentiment_client --address {server.properties.inference}"
    run = ["sh", "-c", f"{program} predict --json - < {texts} | head -1"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["label"] == "POSITIVE"
    assert done.stderr == ""


def test_the_command_prints_the_status(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--management", server.properties.management]
    assert main([*command, "status"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("sentiment 1.0 (sentiment.mar, default): 1 of 1 workers ready")
    assert "0 of 1000 queue places taken, batches of up to 32 after 1 ms" in shown
    assert main([*command, "--json", "status"]) == 0
    assert json.loads(capsys.readouterr().out)["workers"][0]["status"] == "READY"
    assert main([*command, "--model", "nonesuch", "status"]) == 1
    assert "nonesuch" in capsys.readouterr().err
