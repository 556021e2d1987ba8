"""Token ids -> logits, in fp32 PyTorch: any `transformers` sequence classifier on a CPU or GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification
from transformers.utils.logging import disable_progress_bar


class TorchEngine:
    """The reference engine. `config` is the checkpoint's `transformers.PretrainedConfig`."""

    def __init__(self, model_dir: Path, threads: int, gpu: int | None = None) -> None:
        torch.set_num_threads(min(threads, torch.get_num_threads()))
        disable_progress_bar()  # it is drawn into the log, and leaves a thread behind
        # Weights may be stored in fp16; they are computed with in fp32.
        model: Any = AutoModelForSequenceClassification.from_pretrained(
            model_dir, dtype=torch.float32, local_files_only=True
        )
        self._device = "cpu" if gpu is None or not torch.cuda.is_available() else f"cuda:{gpu}"
        self._model = model.eval().to(self._device)
        self.config = model.config

    @torch.inference_mode()
    def logits(self, ids: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Texts' token ids, each int32 [tokens] -> logits [texts, labels].

        They are padded on the right to the longest, and the model runs once.
        """
        width = max(map(len, ids))
        # The pad token's own id is masked out; a checkpoint without one can be padded with any.
        input_ids = torch.full((len(ids), width), self.config.pad_token_id or 0)
        attention_mask = torch.zeros_like(input_ids)
        for row, text in enumerate(ids):
            input_ids[row, : len(text)] = torch.from_numpy(text)
            attention_mask[row, : len(text)] = 1
        output = self._model(
            input_ids=input_ids.to(self._device), attention_mask=attention_mask.to(self._device)
        )
        logits: NDArray[np.float32] = output.logits.float().cpu().numpy()
        return logits
