"""The answers that every engine is measured against: each text alone, by the torch engine."""

import itertools
from collections.abc import Sequence
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
from sentiment.inference.tokens import Pair, Text

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
        types = checkpoint.token_types
        self._takes_pairs = checkpoint.takes_pairs
        self._tokenizer = Tokenizer(
            folder, max_tokens, takes_pairs=checkpoint.takes_pairs, token_types=types
        )
        self.engine = TorchEngine(folder, "single", threads, token_types=types)
        self.texts = self.tokenize(probes(folder, max_tokens))
        self.logits = score_alone(self.engine, self.texts)
        activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
        self.value_range = value_range(self.logits) if activation == "none" else None
        self.batch_effect = 0.0
        self.engine.layout = self._choose_layout()

    def tokenize(self, texts: Sequence[str]) -> Texts:
        """The token ids of `texts` and, if the checkpoint takes pairs, of each with the next one.

        Without those of which the tokenizer leaves nothing.
        """
        all_of_them: list[Text] = list(texts)
        if self._takes_pairs:
            all_of_them += [Pair(*both) for both in itertools.pairwise(texts)]
        return [tokens.ids for tokens in self._tokenizer(all_of_them) if len(tokens.ids)]

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
