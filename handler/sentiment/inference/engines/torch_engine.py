"""PyTorch: runs any `transformers` sequence classifier; the reference, and the engine on a GPU."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sentiment.inference.engines import telemetry
from sentiment.inference.engines.engine import Layout, Rows, arrays


class TorchEngine:
    """Runs in fp32 on a CPU. On a GPU it runs in bf16, or in fp16 if that has no bf16."""

    pad_to_multiple_of = 1

    def __init__(
        self,
        model_dir: Path,
        layout: Layout,
        threads: int,
        gpu: int | None = None,
        *,
        token_types: bool = False,
    ) -> None:
        """Load `model_dir`; `token_types` are an input only of models that need them for pairs."""
        telemetry.disable()
        torch.set_num_threads(threads)
        self.layout = layout
        self._inputs = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
        self._device, dtype, self.best_microbatch_tokens = "cpu", torch.float32, 2048
        if gpu is not None:
            # Enough tokens to keep a GPU busy; not measured.
            self._device, self.best_microbatch_tokens = f"cuda:{gpu}", 32768
            with torch.cuda.device(gpu):
                has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            dtype = torch.bfloat16 if has_bf16 else torch.float16
        self._model = load_model(model_dir, dtype=dtype).to(self._device)
        self._config = self._model.config.get_text_config()
        pad_token_id = self._config.pad_token_id
        self._pad_token_id = None if pad_token_id is None or pad_token_id < 0 else pad_token_id

    @torch.inference_mode()
    def logits(self, rows: Rows) -> NDArray[np.float32]:
        """See `Engine.logits`."""
        texts = [text for (text,) in rows]
        logits: dict[int, NDArray[np.float32]] = {}
        for indices in self._compatible(texts):
            scored = self._logits([texts[index] for index in indices])
            logits.update(zip(indices, scored, strict=True))
        return np.stack([logits[index] for index in range(len(texts))])

    def _compatible(self, texts: Sequence[NDArray[np.int32]]) -> list[list[int]]:
        """Indices of texts, grouped by call of the model.

        Encoder-decoders read the hidden state at the last end-of-sequence token, and refuse texts
        with different numbers of these tokens; a user may type one.
        """
        if not self._model.config.is_encoder_decoder:
            return [list(range(len(texts)))]
        groups: dict[int, list[int]] = {}
        for index, text in enumerate(texts):
            groups.setdefault(int((text == self._config.eos_token_id).sum()), []).append(index)
        return list(groups.values())

    def _logits(self, texts: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
        """Logits [texts, labels] of one call of the model."""
        pad_token_id = self._pad_token_id
        if pad_token_id is None:
            # Decoders read the last token that is not padding. If the model has no pad token, take
            # one with which no text ends, so that the model finds the end of each text.
            last = {int(text[-1]) for text in texts}
            pad_token_id = next(number for number in range(len(last) + 1) if number not in last)
            self._config.pad_token_id = pad_token_id
        inputs = arrays([[text] for text in texts], pad_token_id, self.pad_to_multiple_of)
        tensors = {name: torch.from_numpy(inputs[name]).to(self._device) for name in self._inputs}
        logits: NDArray[np.float32] = self._model(**tensors).logits.float().cpu().numpy()
        return logits


def load_model(model_dir: Path, **options: Any) -> Any:
    """The checkpoint that `save_pretrained` wrote to `model_dir`, in evaluation mode."""
    from transformers import AutoModelForSequenceClassification
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # it would write to the log and leave a thread behind
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        model_dir, local_files_only=True, **options
    )
    # BigBird switches to full attention at its first short text and never back, so a long text's
    # score would depend on the texts before it.
    for module in model.modules():
        if hasattr(module, "set_attention_type"):
            module.set_attention_type("original_full")
    return model.eval()
