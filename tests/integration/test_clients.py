"""The examples of docs/clients.md run as written, with the real client libraries."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.launcher.server import Server
from scripts.paths import ROOT
from tests.integration.docs_examples import Example, assert_same, examples

EXAMPLES = list(examples("docs/clients.md"))
SHOWN = [example for example in EXAMPLES if example.output]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the preparing commands, such as generating stubs, have been run."""
    folder = tmp_path_factory.mktemp("clients")
    (folder / ".venv").symlink_to(sys.prefix)
    for example in EXAMPLES:
        if example.language == "console" and not example.output:
            run(folder, "bash", "-euc", example.code)
    return folder


def run(folder: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT / "client")}
    # Offline, huggingface_hub would not send requests to our server either.
    environment.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", SHOWN, ids=lambda example: example.name)
def test_the_program_prints_what_the_document_shows(
    server: Server, folder: Path, example: Example
) -> None:
    code = example.code.replace("http://127.0.0.1:8080", server.properties.inference)
    _, grpc_port = server.properties.ports()["grpc_inference_port"]
    code = code.replace("127.0.0.1:7070", f"127.0.0.1:{grpc_port}")
    match example.language:
        case "python":
            printed = run(folder, "python", "-c", code)
        case "javascript":
            packages = ROOT / "tests" / "javascript"
            if not (packages / "node_modules").exists() or not shutil.which("node"):
                pytest.skip("needs Node.js: apt-get install nodejs npm, then make test")
            printed = run(packages, "node", "--input-type=module", "-e", code)
        case "console":
            printed = run(folder, "bash", "-euc", code.replace("curl ", "curl -s "))
    assert_same(printed, example.output or "")


def test_every_client_in_the_document_is_run() -> None:
    sections = {example.name for example in SHOWN}
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    assert sections == {line[3:] for line in text.splitlines() if line.startswith("## ")}
    assert len(SHOWN) == 18
