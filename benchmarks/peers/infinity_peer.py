"""6d. Infinity with its ONNX engine and the int8 model, which it prefers on a CPU."""

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.older import copy_model
from scripts.paths import ROOT

if __name__ == "__main__":
    copy_model(Path("sentiment"))
    # With the packages of this project, which can export.
    export = [
        str(ROOT / ".venv" / "bin" / "python"),
        "-m",
        "benchmarks.peers.exported",
        "sentiment",
    ]
    subprocess.run(export, check=True)
    os.environ |= {
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }
    from infinity_emb.cli import cli

    sys.argv[1:] = ["v2", "--model-id", "sentiment", "--served-model-name", "sentiment"]
    sys.argv += ["--engine", "optimum", "--device", "cpu", "--no-model-warmup"]
    sys.argv += ["--host", "127.0.0.1", "--port", os.environ["PORT"], "--log-level", "error"]
    cli()
