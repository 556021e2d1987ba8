"""The examples and facts of the README are true."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment_client import ManagementClient
from tests.integration.docs_examples import Example, assert_same, examples

README = (ROOT / "README.md").read_text(encoding="utf-8")
# The examples with answers; other tests run those of the other documents.
ANSWERED = [
    example
    for document in ("README.md", "docs/cli.md")
    for example in examples(document)
    if example.output
]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", ANSWERED, ids=lambda example: example.code[:80])
def test_the_answers_that_are_shown_are_real(server: Server, example: Example) -> None:
    address = server.properties.inference
    code = example.code.replace("curl ", "curl -s ").replace("localhost:8080", address)
    command = f"{shlex.quote(sys.executable)} -m sentiment_client predict"
    code = code.replace(".venv/bin/", "").replace("sentiment predict", command)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client"), "SENTIMENT_ADDRESS": address}
    done = subprocess.run(
        ["bash", "-euc", code], env=environment, capture_output=True, text=True, check=True
    )
    assert_same(done.stdout, example.output or "")


def test_the_readme_shows_every_kind_of_answer() -> None:
    shown = "".join(example.output or "" for example in examples("README.md"))
    for kind in ('"POSITIVE"', '"NEUTRAL"', "UNCERTAIN\t", "\tmixed\t", "\tNEGATIVE\t", "\twhy "):
        assert kind in shown


def test_the_python_code_of_the_readme_runs(server: Server, management: ManagementClient) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 2
    try:
        for block in blocks:
            code = block.replace("http://", "")
            code = code.replace("localhost:8080", server.properties.inference)
            code = code.replace("localhost:8081", server.properties.management)
            exec(compile(code, "README.md", "exec"), {})
    finally:
        management.scale(1)


def test_the_plain_torchserve_commands_of_the_readme_are_those_of_docs_torchserve() -> None:
    """tests/integration/test_torchserve.py runs the commands of docs/torchserve.md."""
    section = README.partition("## Use plain TorchServe commands")[2].partition("\n## ")[0]
    commands = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    assert len(commands) == 7
    assert commands == [
        example.code.strip()
        for example in examples("docs/torchserve.md")
        if example.language == "console"
    ]


def test_the_limits_in_the_readme_are_the_configured_ones() -> None:
    limits = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text())["handler"]
    texts, characters = limits["max_texts_per_request"], f"{limits['max_chars_per_text']:,}"
    assert f"at most {texts} texts of at most {characters} characters" in README.replace("\n", " ")
    assert f"more than {texts} texts, or a text over {characters} characters" in API
    assert f"({limits['max_tokens']} tokens)" in README


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_every_link_of_the_readme_has_a_target(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)]+)\)", path.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_every_make_target_in_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`make (\w+)", README):
        assert f"\n{target}:" in makefile, target
