"""PyTorch: any `transformers` sequence classifier. The reference on a CPU, the engine on a GPU."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sentiment.inference.engines import telemetry
from sentiment.inference.engines.engine import Rows, arrays


class TorchEngine:
    """In fp32 on a CPU. On a GPU in bf16, or in fp16 where it has no bf16."""

    step = 1
    packs = False

    def __init__(self, model_dir: Path, pad: int, threads: int, gpu: int | None = None) -> None:
        telemetry.disable()
        from transformers import AutoModelForSequenceClassification
        from transformers.utils.logging import disable_progress_bar

        torch.set_num_threads(threads)
        disable_progress_bar()  # it is drawn into the log, and leaves a thread behind
        self._device, dtype, self.tokens = "cpu", torch.float32, 2048
        if gpu is not None:
            self._device, self.tokens = f"cuda:{gpu}", 32768  # enough to fill it; not measured
            with torch.cuda.device(gpu):
                has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            dtype = torch.bfloat16 if has_bf16 else torch.float16
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            model_dir, dtype=dtype, local_files_only=True
        )
        self._model = model.eval().to(self._device)
        self._pad = pad

    @torch.inference_mode()
    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        read = arrays(rows, self._pad, self.step)
        inputs = {
            name: torch.from_numpy(read[name]).to(self._device)
            for name in ("input_ids", "attention_mask")
        }
        logits: NDArray[np.float32] = self._model(**inputs).logits.float().cpu().numpy()
        return logits
