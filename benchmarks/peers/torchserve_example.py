"""3. TorchServe with the handler of its own Hugging Face example, in an archive of its own.

Defaults but for what its documentation has people set: batches (32 requests, 10 ms, as for the
others), one worker, as in the example, and a queue that holds what the benchmark sends.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.checkpoint import FOLDER
from scripts.launcher.java import java_home
from scripts.launcher.ports import free_ports

NAME = "example"
HANDLER = Path(__file__).with_name("torchserve_handler.py")
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def main() -> None:
    """Build the archive in the working folder and become TorchServe."""
    temp = Path.cwd() / "temp"
    temp.mkdir()
    # The archiver deletes $TMPDIR/<model name>: it gets a folder of its own, and so does the
    # server, which keeps its process id and its workers' sockets there.
    environment = os.environ | {"TMPDIR": str(temp), "TEMP": str(temp)}
    programs = Path(sys.executable).parent
    archiver: list[str] = [
        str(programs / "torch-model-archiver"),
        *("--model-name", NAME, "--version", "1.0", "--handler", str(HANDLER)),
        *("--extra-files", ",".join(str(FOLDER / name) for name in MODEL_FILES)),
        *("--export-path", "."),
    ]
    subprocess.run(archiver, env=environment, check=True)
    configure(Path("config.properties"), int(os.environ["PORT"]))
    server = [
        str(programs / "torchserve"),
        *("--start", "--foreground", "--ncs", "--model-store", "."),
        *("--ts-config", "config.properties"),
    ]
    os.execve(server[0], server, environment | {"JAVA_HOME": str(java_home())})


def configure(path: Path, port: int) -> None:
    """Write TorchServe's settings."""
    management, metrics, grpc, grpc_management, worker = free_ports(5)
    batches = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 32, "maxBatchDelay": 10}
    archive = {"defaultVersion": True, "marName": f"{NAME}.mar", **batches}
    settings = {
        "inference_address": f"http://127.0.0.1:{port}",
        "management_address": f"http://127.0.0.1:{management}",
        "metrics_address": f"http://127.0.0.1:{metrics}",
        "grpc_inference_port": grpc,
        "grpc_management_port": grpc_management,
        "initial_worker_port": worker,
        "disable_token_authorization": "true",
        "load_models": f"{NAME}.mar",
        "models": json.dumps({NAME: {"1.0": archive}}),
        "job_queue_size": 1000,
    }
    path.write_text("".join(f"{k}={v}\n" for k, v in settings.items()), encoding="utf-8")


if __name__ == "__main__":
    main()
