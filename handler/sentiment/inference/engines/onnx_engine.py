"""ONNX Runtime on a CPU: the exported model in int8."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.inference.engines import telemetry
from sentiment.inference.engines.cpu import has_vnni
from sentiment.inference.engines.engine import Layout, Rows, arrays

# Fusions that are slower than the separate operators: int8 is a third faster without them.
_SLOW = ["SkipLayerNormFusion", "BiasGeluFusion"]


class OnnxEngine:
    """Runs one `.onnx` file, whose inputs are some of the arrays of `arrays`."""

    pad_to_multiple_of = 1
    # With more, whole reviews are slower in one call than one by one.
    best_microbatch_tokens = 1024

    def __init__(self, path: Path, pad_token_id: int, threads: int) -> None:
        telemetry.disable()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads spin while a batch is scored, but must not occupy the cores afterwards. Nor for
        # long while another process has the core of the thread that they wait for.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", "50")
        if not has_vnni():
            # Without this, products of u8 and s8 are accumulated in 16 bits, which overflow.
            options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW
        )
        self._inputs = [value.name for value in self._session.get_inputs()]
        self.layout: Layout = "packed" if "segment_ids" in self._inputs else "padded"
        self._pad_token_id = pad_token_id

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        inputs = arrays(rows, self._pad_token_id, self.pad_to_multiple_of)
        (logits,) = self._session.run(None, {name: inputs[name] for name in self._inputs})
        return np.asarray(logits, np.float32)
