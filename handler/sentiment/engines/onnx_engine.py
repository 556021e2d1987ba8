"""ONNX Runtime on a CPU: the exported model in int8."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentiment.engines.engine import Ids, padded

# Fused operators that are slower than their parts: without them int8 is a third faster.
_SLOW = ["SkipLayerNormFusion", "BiasGeluFusion"]


class OnnxEngine:
    """Runs one `.onnx` file with inputs `input_ids` and `attention_mask`, and output `logits`."""

    step = 1

    def __init__(self, path: Path, pad: int, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads spin while a batch is scored; after it they must leave the cores to the others.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        # Without VNNI, products of u8 and s8 would overflow 16 bits: keep them exact there, too.
        options.add_session_config_entry("session.x64quantprecision", "1")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW
        )
        self._pad = pad

    def logits(self, ids: Ids) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        (logits,) = self._session.run(["logits"], padded(ids, self._pad, self.step))
        return np.asarray(logits, np.float32)
