"""OpenVINO on a CPU with bf16 matrix instructions: the exported model in bf16."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.engine import Ids, padded

# OpenVINO keeps what it has compiled for a shape: more for this many would be a leak.
_KEPT = 100


class OpenvinoEngine:
    """Runs one `.onnx` file with inputs `input_ids` and `attention_mask`, and output `logits`."""

    def __init__(self, path: Path, pad: int, threads: int) -> None:
        import openvino

        model = openvino.Core().compile_model(
            path,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16",
                "INFERENCE_NUM_THREADS": threads,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,  # two workers would pin themselves to the same cores
                "CPU_RUNTIME_CACHE_CAPACITY": _KEPT,
            },
        )
        self._request = model.create_infer_request()
        self._pad = pad

    def logits(self, ids: Ids) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        self._request.infer(padded(ids, self._pad))
        return np.array(self._request.get_output_tensor(0).data, np.float32)


def has_bf16() -> bool:
    """Whether this machine multiplies matrices in bf16, for without that it is slower than int8."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
