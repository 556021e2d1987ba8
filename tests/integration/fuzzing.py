"""Requests that schemathesis generates from the OpenAPI document of a running server."""

import subprocess
import sys
from pathlib import Path

from scripts.paths import ROOT


def fuzz(address: str, config: str, examples: int, *options: str | Path) -> None:
    """Send them to the server at `address`; fails unless all are answered as the document says.

    `config` is a file in this folder. `examples` is the number of generated cases per operation, in
    addition to those that cover its schema.
    """
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"),
            *("--config-file", f"tests/integration/{config}"),
            *("run", f"{address}/predictions/sentiment/1.0/openapi.json", "--url", address),
            *("--max-examples", str(examples), "--seed", "1"),
            *options,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
