"""OpenVINO on a CPU: the exported model in bf16 or fp32."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.engines.engine import Ids, padded

# What is compiled for a shape is kept, for as many shapes as this: about 0.1 MB each.
_KEPT = 500


class OpenvinoEngine:
    """Runs an `.xml` file and the `.bin` beside it, its weights, in "bf16" or "f32".

    Its inputs are `input_ids` and `attention_mask`, its one output the logits.
    """

    # Whole tiles of the matrix units; and few shapes, since each new one has to be compiled.
    step = 16

    def __init__(self, path: Path, precision: str, pad: int, threads: int) -> None:
        import openvino

        model = openvino.Core().compile_model(
            path,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": precision,
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
        self._request.infer(padded(ids, self._pad, self.step), share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data, np.float32)


def has_bf16() -> bool:
    """Whether this machine multiplies matrices in bf16, for without that it is slower than int8."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
