"""Texts in, predictions out: tokenize all at once, then score in microbatches."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sentiment.errors import Overloaded, RequestError, Validation
from sentiment.inference import engines
from sentiment.inference.activation import Activation, activation_for, apply_activation
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Rows
from sentiment.inference.memory import release
from sentiment.inference.microbatches import microbatches
from sentiment.inference.prediction import EngineFailure, Prediction
from sentiment.inference.tokenizer import Tokenizer, Tokens, longest_input

# Trim the heap only after batches of more tokens than this: smaller ones leave little behind.
_TRIM_TOKENS = 2048
# Indices of texts that have the same tokens.
Group = list[int]
Outcome = Prediction | RequestError | EngineFailure

logger = logging.getLogger(__name__)


class EngineDead(Exception):
    """The engine fails on every text, as after some GPU errors, and will not recover."""


class Classifier:
    """A loaded checkpoint, without state of any request."""

    def __init__(
        self,
        model_dir: Path,
        *,
        max_tokens: int,
        threads: int,
        tokens_per_microbatch: int | Literal["auto"] = "auto",
        engine: str = "torch",
        gpu: int | None = None,
    ) -> None:
        """Load `model_dir`, the output of `save_pretrained`, into the engine of that name.

        `tokens_per_microbatch` "auto" is the number with which the engine is fastest.
        """
        checkpoint = Checkpoint.read(model_dir)
        self.engine = engines.choose(engine, model_dir, gpu)
        self._engine = engines.load(self.engine, model_dir, checkpoint.pad_token_id, threads, gpu)
        self.labels = list(checkpoint.labels)
        self.max_tokens = min(max_tokens, longest_input(model_dir, checkpoint.max_positions))
        self._activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
        self.tokenizer = Tokenizer(model_dir, self.max_tokens)
        self._tokens_per_microbatch = (
            self._engine.best_microbatch_tokens
            if tokens_per_microbatch == "auto"
            else tokens_per_microbatch
        )

    def warm_up(self) -> None:
        """Score typical shapes, so that no request pays for first-use compilation.

        Raises EngineDead if the model has no score for one of them.
        """
        # An engine that pads rows to a multiple compiles for each number of rows and texts.
        many = range(2, 33) if self._engine.pad_to_multiple_of > 1 else (32,)
        shapes = [*((tokens, 1) for tokens in (16, 32, 48, 64)), *((31, texts) for texts in many)]
        full = max(self._tokens_per_microbatch // self.max_tokens, 1)
        for tokens, texts in (*shapes, (self.max_tokens, full)):
            sample = [f"{number} " + "good " * (tokens - 3) for number in range(texts)]
            for outcome in self.classify(sample):
                if isinstance(outcome, EngineFailure):
                    raise EngineDead(
                        "the model has no score for an ordinary text"
                    ) from outcome.error
        release()  # memory that only loading needed

    def classify(self, texts: Sequence[str]) -> list[Outcome]:
        """Score `texts`, in order: `tokenizer`, then `score`."""
        return self.score(self.tokenizer(texts))

    def score(
        self,
        tokens: Sequence[Tokens],
        *,
        activations: Sequence[Activation | None] | None = None,
        sizes: Sequence[int] | None = None,
        deadline: float = float("inf"),
    ) -> list[Outcome]:
        """Score tokenized texts, in order; raises EngineDead.

        `activations` has one entry per text; None is the checkpoint's own. `sizes` is the number of
        texts in each text's request: small requests are scored first, so that a large one never
        makes them late. A text that is not scored by `deadline`, in seconds of `time.monotonic`,
        gets Overloaded. A text on which the engine fails gets EngineFailure. A text without tokens,
        which some tokenizers return for odd characters, gets Validation.
        """
        activations = activations or [None] * len(tokens)
        late = Overloaded("The server ran out of time for this batch: send the text again later.")
        empty = Validation("The model's tokenizer leaves nothing of the text: send some words.")
        outcomes: list[Outcome] = [late if len(text.ids) else empty for text in tokens]
        for rows in self._microbatches(tokens, sizes or [1] * len(tokens)):
            for index, outcome in self._score_rows(rows, tokens, activations, deadline):
                outcomes[index] = outcome
        kinds = set(map(type, outcomes))
        if EngineFailure in kinds and Prediction not in kinds and not self._works():
            raise EngineDead("the model fails on every text")
        if sum(len(text.ids) for text in tokens) > max(self._tokens_per_microbatch, _TRIM_TOKENS):
            release()
        return outcomes

    def _works(self) -> bool:
        """Whether an ordinary text still gets a score."""
        (text,) = self.tokenizer(["good"])
        try:
            return bool(np.isfinite(self._engine.logits([[text.ids]])).all())
        except Exception:
            return False

    def _microbatches(
        self, tokens: Sequence[Tokens], sizes: Sequence[int]
    ) -> Iterator[list[list[Group]]]:
        """Rows of groups, small requests first; request sizes are grouped by power of two.

        Texts with the same tokens have the same logits, so only the first of a group is scored.
        """
        alike: dict[bytes, Group] = {}
        with_tokens = [index for index, text in enumerate(tokens) if len(text.ids)]
        for index in sorted(with_tokens, key=sizes.__getitem__):
            alike.setdefault(tokens[index].ids.tobytes(), []).append(index)
        by_size: dict[int, list[Group]] = {}
        for group in alike.values():
            by_size.setdefault(sizes[group[0]].bit_length(), []).append(group)
        for groups in by_size.values():
            for rows in microbatches(
                [len(tokens[group[0]].ids) for group in groups],
                tokens=self._tokens_per_microbatch,
                pad_to_multiple_of=self._engine.pad_to_multiple_of,
                layout=self._engine.layout,
            ):
                yield [[groups[position] for position in row] for row in rows]

    def _score_rows(
        self,
        rows: list[list[Group]],
        tokens: Sequence[Tokens],
        activations: Sequence[Activation | None],
        deadline: float,
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield each text's index and outcome; bisect the rows to isolate a failing text."""
        if time.monotonic() > deadline:
            return
        groups = [group for row in rows for group in row]
        logits = None
        try:
            logits = self._logits([[tokens[group[0]].ids for group in row] for row in rows])
        except Exception as error:
            logger.warning("%d texts failed together: %s", len(groups), type(error).__name__)
            if len(groups) == 1:
                yield from ((index, EngineFailure(error)) for index in groups[0])
                return
        if logits is None:  # outside `except`, so that the frames of the failed call are freed
            for half in _halves(rows):
                yield from self._score_rows(half, tokens, activations, deadline)
            return
        default_scores = apply_activation(logits, self._activation).tolist()
        for group, text_logits, scores in zip(groups, logits, default_scores, strict=True):
            for index in group:
                activation = activations[index]
                if activation:
                    result = apply_activation(text_logits, activation).tolist()
                else:
                    result = scores
                yield index, self._outcome(result, tokens[index])

    def _logits(self, rows: Rows) -> NDArray[np.float32]:
        """Logits [texts, labels]; packed rows that are not finite are rescored one text per row."""
        logits = self._engine.logits(rows)
        if np.isfinite(logits).all():
            return logits
        parts = np.split(logits, np.cumsum([len(row) for row in rows])[:-1])
        for row, part in zip(rows, parts, strict=True):
            if len(row) > 1 and not np.isfinite(part).all():
                part[:] = np.concatenate([self._engine.logits([[text]]) for text in row])
        return logits

    def _outcome(self, scores: list[float], tokens: Tokens) -> Outcome:
        """The prediction of one text from its scores, in the order of `labels`."""
        if not all(map(math.isfinite, scores)):
            return EngineFailure()
        best = max(range(len(scores)), key=scores.__getitem__)
        return Prediction(
            label=self.labels[best],
            score=scores[best],
            scores=dict(zip(self.labels, scores, strict=True)),
            tokens=len(tokens.ids),
            truncated=tokens.truncated,
        )


def _halves(rows: list[list[Group]]) -> tuple[list[list[Group]], list[list[Group]]]:
    """Split the rows in half, or the groups of a single row."""
    middle = len(rows) // 2
    if middle:
        return rows[:middle], rows[middle:]
    (row,) = rows
    return [row[: len(row) // 2]], [row[len(row) // 2 :]]
