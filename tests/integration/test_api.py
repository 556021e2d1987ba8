"""The requests in docs/api.md get the answers that it shows."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import requests

from scripts.paths import ROOT
from sentiment.errors import RequestError
from tests.integration.docs_examples import Example, assert_same, examples

EXAMPLES = list(examples("docs/api.md"))
SHOWN = [example for example in EXAMPLES if example.output]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def run(folder: Path, command: str) -> str:
    done = subprocess.run(
        ["bash", "-euc", command.replace("curl ", "curl -s ")],
        cwd=folder,
        env=os.environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the examples send."""
    folder = tmp_path_factory.mktemp("api")
    for example in EXAMPLES:
        if not example.output:
            run(folder, example.code)
    return folder


@pytest.mark.parametrize("example", SHOWN, ids=lambda example: example.code[:80])
def test_the_example_is_answered_as_shown(url: str, folder: Path, example: Example) -> None:
    address = url.removesuffix("/predictions/sentiment")
    printed = run(folder, example.code.replace("http://127.0.0.1:8080", address))
    assert_same(printed, example.output or "")


def test_the_document_has_every_route_and_every_error() -> None:
    for route in ("predictions/sentiment", "sentiment/predict", "invocations", "v1/", "v2/"):
        assert any(f"8080/{route}" in example.code for example in SHOWN), route
    for error in RequestError.__subclasses__():
        assert f"| {error.status} | `{error.__name__}` |" in TEXT


def test_the_documented_headers_are_those_of_an_answer(url: str) -> None:
    named = set(re.findall(r"^\| `(x-[a-z-]+)` \|", TEXT, re.MULTILINE))
    for body in ('{"text": "I like you."}', "{"):
        headers = {"Content-Type": "application/json"}
        answer = requests.post(url, data=body, headers=headers, timeout=30)
        assert named == {name for name in answer.headers if name.startswith("x-")}
    assert answer.headers["x-compute-tokens"] == "0"
