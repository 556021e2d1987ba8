"""The commands of docs/torchserve.md work as written: plain `torchserve` without our launcher.

They run in a new namespace, where the default ports are free and every attempt to reach the network
is recorded: only the code of the archive keeps this worker silent.
"""

import os
import sys
from pathlib import Path

import pytest

from scripts.paths import ROOT
from tests.integration.docs_examples import examples
from tests.integration.namespace import NEEDS_NAMESPACES, permitted, run
from tests.integration.test_silence import assert_silent

COMMANDS = [
    example.code.strip()
    for example in examples("docs/torchserve.md")
    if example.language == "console" and not example.code.startswith("make ")
]
# Only the server should use the recorded proxies, not curl.
PRELUDE = """
curl() { command curl --silent --show-error --noproxy '*' "$@"; }
wait_for() { for _ in $(seq 150); do eval "$1" && return; sleep 0.4; done; return 1; }
"""
READY = """wait_for '[ "$(curl localhost:8081/models/sentiment | grep -c READY)" = 2 ]'"""
STOPPED = "wait_for '! curl localhost:8080/ping'"

pytestmark = pytest.mark.skipif(not permitted(), reason=NEEDS_NAMESPACES)


def test_the_plain_commands_work_as_written(archive: Path, checkout: Path, work: Path) -> None:
    assert [command.split()[0] for command in COMMANDS] == [
        *(".", "torchserve", "curl", "curl", "curl", "torchserve")
    ]
    (checkout / "model_store").mkdir()
    os.link(archive, checkout / "model_store" / "sentiment.mar")
    (checkout / ".venv").symlink_to(sys.prefix)
    *before, describe, stop = COMMANDS
    script = "\n".join([PRELUDE, *before, READY, describe, stop, STOPPED])
    report = run(work, [[str(checkout), "bash", "-euc", script]], ROOT)
    assert_silent(report)
    assert '{"sentiment": "POSITIVE", ' in report.output
    assert report.output.count('"status": "READY"') >= 2
    assert "TorchServe has stopped." in report.output
    assert not (checkout / "logs").exists()
