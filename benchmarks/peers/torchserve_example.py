"""3. TorchServe with the handler of its own Hugging Face example.

The settings are the defaults, except for those that its documentation tells users to set: batches
(32 requests, 10 ms, as for the other peers), one worker, as in the example, and a queue that is
long enough for the benchmark.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from scripts.launcher.java import java_home
from scripts.launcher.ports import free_ports
from scripts.paths import MODEL

NAME = "example"
HANDLER = Path(__file__).with_name("torchserve_handler.py")
MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def main() -> None:
    """Build the archive in the working directory, then run TorchServe in place of this process."""
    temp = Path.cwd() / "temp"
    temp.mkdir()
    # A private one: the archiver deletes $TMPDIR/<model name>, and the server keeps its process id
    # and its workers' sockets there.
    environment = os.environ | {"TMPDIR": str(temp), "TEMP": str(temp)}
    programs = Path(sys.executable).parent
    archiver: list[str] = [
        str(programs / "torch-model-archiver"),
        *("--model-name", NAME, "--version", "1.0", "--handler", str(HANDLER)),
        *("--extra-files", ",".join(str(MODEL / name) for name in MODEL_FILES)),
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
    """Write TorchServe's configuration, with `port` for predictions and free ports for the rest."""
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
