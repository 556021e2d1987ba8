"""6c. MLServer with its own Hugging Face runtime and adaptive batching."""

import json
import os
import sys
from pathlib import Path

from benchmarks.peers.older import copy_model
from scripts.launcher.ports import free_ports

if __name__ == "__main__":
    folder = Path("model").resolve()
    copy_model(folder)
    grpc, metrics = free_ports(2)
    settings = {
        "host": "127.0.0.1",
        "http_port": int(os.environ["PORT"]),
        "grpc_port": grpc,
        "metrics_port": metrics,
        "parallel_workers": 0,
        "debug": False,
    }
    model = {
        "name": "sentiment",
        "implementation": "mlserver_huggingface.HuggingFaceRuntime",
        "max_batch_size": 32,
        "max_batch_time": 0.010,
        "parameters": {
            "extra": {
                "task": "text-classification",
                "pretrained_model": str(folder),
            }
        },
    }
    Path("settings.json").write_text(json.dumps(settings), encoding="utf-8")
    Path("model-settings.json").write_text(json.dumps(model), encoding="utf-8")
    os.environ["HF_HUB_OFFLINE"] = "1"
    from mlserver.cli import main

    sys.argv[1:] = ["start", "."]
    main()
