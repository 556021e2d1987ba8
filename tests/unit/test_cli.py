"""Failures of the `sentiment` command, and its documentation."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.paths import ROOT
from sentiment_client import __version__
from sentiment_client.cli import main, parsers
from tests.unit.client_cases import ANSWER, NO_WORKER, answer_all, answers
from tests.unit.scripted_server import free_port, scripted

PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def run(arguments: list[str | bytes], shell: str = "", **options: Any) -> Any:
    """Run the command as a process; `shell` redirects its streams."""
    command: list[str | bytes] = [sys.executable, "-m", "sentiment_client", *arguments]
    if shell:
        command = ["sh", "-c", f'"$@" {shell}', "sh", *command]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client")} | options.pop("env", {})
    done = subprocess.run(
        command, env=environment, capture_output=True, check=False, timeout=30, **options
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    return done


@pytest.mark.parametrize("parser", parsers().values(), ids=parsers().keys())
def test_every_help_text_is_in_the_documentation(parser: Any) -> None:
    assert f"```text\n$ {parser.prog} --help\n{parser.format_help()}```" in PAGE


def test_every_option_is_explained() -> None:
    for parser in parsers().values():
        for action in parser._actions:
            assert action.help or action.metavar == "COMMAND", action


def test_the_documentation_names_the_variables() -> None:
    for variable in re.findall(r"\$(SENTIMENT_\w+)", parsers()["sentiment"].format_help()):
        assert f"`{variable}`" in PAGE


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"sentiment-client {__version__}\n"


@pytest.mark.parametrize("before", [True, False])
def test_options_may_stand_on_either_side_of_the_command(
    capsys: pytest.CaptureFixture[str], before: bool
) -> None:
    with scripted(answer_all) as server:
        options = ["--address", server.address, "--model", "other", "--json", "--timeout", "5"]
        command = ["predict", "good"]
        assert main([*options, *command] if before else [*command, *options]) == 0
        assert server.requests[0][1] == "/predictions/other"
    assert json.loads(capsys.readouterr().out)["label"] == "POSITIVE"


def test_wrong_arguments_are_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["predict"], ["workers", "many"], ["nonesuch"], ["--odd", "status"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "usage: sentiment" in capsys.readouterr().err


@pytest.mark.usefixtures("pauses")
@pytest.mark.parametrize("arguments", [["--address", "predict", "x"], ["--management", "status"]])
def test_the_command_reports_failures_as_sentences(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    option, *command = arguments
    assert main([option, f"127.0.0.1:{free_port()}", *command]) == 1
    *retries, last = capsys.readouterr().err.splitlines()
    assert len(retries) == 5
    assert all("retry" in line and line.startswith("sentiment: ") for line in retries)
    assert re.match(r"sentiment: .* is the server up\?", last)


@pytest.mark.parametrize("option", [["--timeout", "0"], ["--address", "ftp://x"]])
def test_the_command_reports_invalid_options_as_sentences(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "x", *option]) == 1
    assert re.fullmatch(r"sentiment: .*\.\n", capsys.readouterr().err)


@pytest.mark.parametrize("encoding", ["utf-8:strict", "ascii:strict", "latin-1:strict", "utf-8"])
@pytest.mark.parametrize("as_json", [True, False])
def test_results_are_printed_in_any_encoding_of_stdout(encoding: str, as_json: bool) -> None:
    options: list[str | bytes] = ["--json"] if as_json else []
    broken: list[str | bytes] = [b"caf\xe9", "日本 café", "Awful."]
    with scripted(answers(ANSWER, ANSWER, ANSWER)) as server:
        done = run(
            ["--address", server.address, *options, "predict", *broken],
            env={"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"},
        )
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr, len(lines)) == (0, b"", 3)
    assert all(b"POSITIVE" in line for line in lines)
    if as_json:
        texts = [json.loads(line.decode(encoding.partition(":")[0]))["text"] for line in lines]
        assert texts == ["caf\udce9", "日本 café", "Awful."]


def test_json_output_does_not_escape_letters(capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(answer_all) as server:
        assert main(["predict", "--json", "--address", server.address, "日本 café"]) == 0
    assert '"text": "日本 café"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("redirection", "says", "code"),
    [
        ("> /dev/full", "No space left on device", 1),
        (">&-", "Standard output is closed", 1),
        ("<&-", "Standard input is closed", 1),
        ("2>&-", "", 0),
        ("2> /dev/full", "", 0),
        ("> /dev/full 2>&-", "", 1),
        (">&- 2>&-", "", 1),
        ("| true", "", 0),  # the status of true
    ],
)
def test_the_command_reports_full_or_closed_streams_as_sentences(
    redirection: str, says: str, code: int
) -> None:
    with scripted(answer_all) as server:
        done = run(
            ["--address", server.address, "predict", "-"], shell=redirection, input=b"good\n"
        )
    assert done.returncode == code
    assert says in done.stderr.decode()
    assert done.stderr.count(b"\n") == (1 if says else 0)


def test_results_before_a_failure_are_printed() -> None:
    with scripted(lambda body: (404, b"{}") if b"bad" in body else answer_all(body)) as server:
        done = run(
            ["--address", server.address, "predict", "-"], input=b"good\n" * 32 + b"bad\n" * 32
        )
    assert done.stdout.count(b"POSITIVE") == 32
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("value", ["", " \n"])
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in ("ADDRESS", "MANAGEMENT", "TOKEN_FILE"):
        monkeypatch.setenv(f"SENTIMENT_{name}", value)
    with scripted(answer_all) as server:
        assert main(["predict", "x", "--address", server.address]) == 0
        assert server.tokens == [None]


def test_variables_name_the_server_and_its_tokens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text('{"inference": {"key": "abc"}, "management": {"key": "def"}}')
    monkeypatch.setenv("SENTIMENT_TOKEN_FILE", str(keys))
    with scripted(answer_all) as server, scripted((404, b"{}")) as management:
        monkeypatch.setenv("SENTIMENT_ADDRESS", server.address)
        monkeypatch.setenv("SENTIMENT_MANAGEMENT", management.address)
        assert main(["predict", "x"]) == 0
        assert main(["status"]) == 1
        assert (server.tokens, management.tokens) == (["Bearer abc"], ["Bearer def"])


def test_the_default_management_address_is_not_used_for_a_remote_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Otherwise any program that listens on this machine's port would get the management token."""
    addresses: list[str | None] = []

    def record(_: str, *, management: str | None, **__: Any) -> None:
        addresses.append(management)
        raise ValueError

    monkeypatch.setattr("sentiment_client.commands.server.SentimentClient", record)
    for address in ("10.0.0.7", "127.0.0.1:9"):
        main(["predict", "x", "--address", address])
    assert addresses == [None, "http://127.0.0.1:8081"]
    for command in (["status"], ["workers", "2"]):
        assert main([*command, "--address", "10.0.0.7"]) == 1
        assert "--management" in capsys.readouterr().err


@pytest.mark.usefixtures("pauses")
def test_the_command_distinguishes_a_missing_worker_from_a_full_queue(
    capsys: pytest.CaptureFixture[str],
) -> None:
    description = (
        b'[{"modelName": "sentiment", "modelVersion": "1.0", "modelUrl": "x", "minWorkers": 0, '
        b'"maxWorkers": 0, "batchSize": 1, "maxBatchDelay": 1, "workers": []}]'
    )
    with scripted(NO_WORKER) as server, scripted((200, description)) as management:
        addresses = ["--address", server.address, "--management", management.address]
        assert main([*addresses, "predict", "x"]) == 1
    assert "No worker is ready" in capsys.readouterr().err
