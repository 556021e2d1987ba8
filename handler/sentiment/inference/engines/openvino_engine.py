"""OpenVINO on a CPU: the exported model in bf16 or fp32."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.engines import telemetry
from sentiment.inference.engines.engine import Layout, Rows, arrays

# Number of shapes whose compiled kernels are kept: 200 take some 30 MB, all of them 50 MB.
_KEPT = 500


class OpenvinoEngine:
    """Runs an `.xml` file with its weights in the `.bin` next to it, in "bf16" or "f32".

    The model's inputs are some of the arrays of `arrays`.
    """

    # Fills the tiles of AMX, and keeps the number of shapes small, since each one is compiled.
    pad_to_multiple_of = 16
    best_microbatch_tokens = 2048

    def __init__(self, path: Path, precision: str, pad_token_id: int, threads: int) -> None:
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
        self._inputs = [value.any_name for value in model.inputs]
        self.layout: Layout = "packed" if "segment_ids" in self._inputs else "padded"
        self._pad_token_id = pad_token_id

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        inputs = arrays(rows, self._pad_token_id, self.pad_to_multiple_of)
        self._request.infer({name: inputs[name] for name in self._inputs}, share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data, np.float32)
