"""OpenVINO on a CPU: the exported model in bf16 or fp32."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.engines import telemetry
from sentiment.inference.engines.engine import Rows, arrays

# What is compiled for a shape is kept, for as many shapes as this: about 0.1 MB each.
_KEPT = 500


class OpenvinoEngine:
    """Runs an `.xml` file and the `.bin` beside it, its weights, in "bf16" or "f32".

    Its inputs are those of `engine.arrays`, or the first two alone; its one output is the logits.
    """

    # Whole tiles of the matrix units; and few shapes, since each new one has to be compiled.
    step = 16
    tokens = 2048

    def __init__(self, path: Path, precision: str, pad: int, threads: int) -> None:
        telemetry.disable()
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
        self._inputs = [each.any_name for each in model.inputs]
        self.packs = "first" in self._inputs
        self._pad = pad

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        inputs = arrays(rows, self._pad, self.step)
        self._request.infer({name: inputs[name] for name in self._inputs}, share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data, np.float32)
