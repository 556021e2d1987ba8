"""The answers that every engine is measured against: each text alone, by the torch engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scripts.archive.independence import Logits, Texts, alone, company
from scripts.archive.probes import probes
from scripts.failure import Failure
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Layout
from sentiment.inference.engines.tolerance import TOLERANCES, difference
from sentiment.inference.engines.torch_engine import TorchEngine
from sentiment.inference.tokenizer import Tokenizer, longest_input

# As in `model-config.yaml`; longer inputs only take longer.
_MAX_TOKENS = 512


class Reference:
    """A checkpoint in the torch engine, and its logits for the probes.

    `texts` are the probes' token ids; `logits` [texts, labels] are those of each alone. The engine
    has the first row layout in which each text keeps its answer in company.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        """Raises Failure if the checkpoint does not answer as `transformers`' pipeline does."""
        checkpoint = Checkpoint.read(folder)
        max_tokens = min(_MAX_TOKENS, longest_input(folder, checkpoint.max_positions))
        self.tokenizer = Tokenizer(folder, max_tokens)
        self.engine = TorchEngine(folder, "single", threads)
        written = probes(folder, max_tokens)
        tokens = self.tokenizer(written)
        kept = [index for index, text in enumerate(tokens) if len(text.ids)]
        self.texts: Texts = [tokens[index].ids for index in kept]
        self.logits = alone(self.engine, self.texts)
        self.company = 0.0
        self._check_pipeline(folder, [written[index] for index in kept], max_tokens)
        self.engine.layout = self._layout()

    def _check_pipeline(self, folder: Path, written: Sequence[str], max_tokens: int) -> None:
        expected = pipeline_logits(folder, written, max_tokens)
        largest = difference(self.logits, expected)
        most = TOLERANCES["torch"].reference
        if most is not None and not largest <= most:
            raise Failure(
                f"its logits differ by {largest:.2g} from those of transformers' pipeline, "
                "which gives the model more than token ids and an attention mask"
            )

    def _layout(self) -> Layout:
        layouts: tuple[Layout, ...] = ("padded", "equal")
        for layout in layouts:
            self.engine.layout = layout
            try:
                self.company = company(self.engine, self.texts, self.logits)
            except Exception:  # noqa: S112
                continue
            if self.company <= TOLERANCES["torch"].company:
                return layout
        self.company = 0.0
        return "single"


def pipeline_logits(folder: Path, texts: Sequence[str], max_tokens: int) -> Logits:
    """Logits [texts, labels] of `transformers`' text-classification pipeline, each text alone."""
    from transformers import pipeline

    classify: Any = pipeline(
        "text-classification",
        model=str(folder),
        dtype="float32",
        device="cpu",
        top_k=None,
        function_to_apply="none",
        truncation=True,
        max_length=max_tokens,
    )
    labels = Checkpoint.read(folder).labels
    rows = []
    for text in texts:
        (entries,) = classify([text])
        scores = {entry["label"]: entry["score"] for entry in entries}
        rows.append([scores[label] for label in labels])
    return np.array(rows, np.float32)
