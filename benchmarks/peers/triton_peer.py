"""6b. Triton Inference Server with its dynamic batching, through PyTriton."""

import os
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

from benchmarks.peers.checkpoint import MAX_TEXTS, Checkpoint
from scripts.launcher.ports import free_ports


def main() -> None:
    """Serve the model until SIGTERM."""
    checkpoint = Checkpoint()

    @batch
    def score(text: Any) -> dict[str, Any]:
        texts = [value.decode() for value in text[:, 0]]
        scored = checkpoint.score(texts)
        labels = np.array([[each["label"].encode()] for each in scored])
        scores = np.array([[each["score"]] for each in scored], np.float32)
        return {"label": labels, "score": scores}

    grpc, metrics = free_ports(2)
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=int(os.environ["PORT"]),
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        metrics_address="127.0.0.1",
        metrics_port=metrics,
    )
    with Triton(config=config) as triton:
        triton.bind(
            model_name="sentiment",
            infer_func=score,
            inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
            outputs=[
                Tensor(name="label", dtype=bytes, shape=(1,)),
                Tensor(name="score", dtype=np.float32, shape=(1,)),
            ],
            config=ModelConfig(
                max_batch_size=MAX_TEXTS,
                batcher=DynamicBatcher(max_queue_delay_microseconds=10_000),
            ),
        )
        triton.serve()


if __name__ == "__main__":
    main()
