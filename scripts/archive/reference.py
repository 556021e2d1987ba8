"""The answers that every engine is measured against: each text alone, by the torch engine."""

from pathlib import Path

from scripts.archive.independence import Texts, batch_effect, score_alone
from scripts.archive.probes import probes
from scripts.archive.tolerance import TOLERANCES
from sentiment.inference.activation import activation_for
from sentiment.inference.agreement import value_range
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Layout
from sentiment.inference.engines.torch_engine import TorchEngine
from sentiment.inference.tokenizer import Tokenizer, longest_input

# As in `model-config.yaml`; longer inputs would only take more time.
_MAX_TOKENS = 512


class Reference:
    """A checkpoint in the torch engine, and its logits for the probes.

    `texts` are the probes' token ids; `logits` [texts, labels] are those of each text alone.
    `value_range` [labels] is None unless the checkpoint is a regression. `engine` has the first row
    layout in which other texts change no score beyond the tolerance; `batch_effect` is the largest
    change in it.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        """Load what `save_pretrained` wrote to `folder`; raises what the model raises."""
        checkpoint = Checkpoint.read(folder)
        max_tokens = min(_MAX_TOKENS, longest_input(folder, checkpoint.max_positions))
        self.tokenizer = Tokenizer(folder, max_tokens)
        self.engine = TorchEngine(folder, "single", threads)
        tokens = self.tokenizer(probes(folder, max_tokens))
        self.texts: Texts = [text.ids for text in tokens if len(text.ids)]
        self.logits = score_alone(self.engine, self.texts)
        activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
        self.value_range = value_range(self.logits) if activation == "none" else None
        self.batch_effect = 0.0
        self.engine.layout = self._choose_layout()

    def _choose_layout(self) -> Layout:
        layouts: tuple[Layout, ...] = ("padded", "equal")
        for layout in layouts:
            self.engine.layout = layout
            try:
                self.batch_effect = batch_effect(
                    self.engine, self.texts, self.logits, self.value_range
                )
            except Exception:  # noqa: S112 - some models refuse batches
                continue
            if self.batch_effect <= TOLERANCES["torch"].batch_effect:
                return layout
        self.batch_effect = 0.0
        return "single"
