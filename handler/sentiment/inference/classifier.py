"""Texts in, predictions out: tokenise all at once, score them in microbatches."""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sentiment.errors import Backend, Overloaded, RequestError, Validation
from sentiment.inference import engines
from sentiment.inference.activation import Activation, activation_for, apply_activation
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Rows
from sentiment.inference.memory import release
from sentiment.inference.microbatches import microbatches
from sentiment.inference.prediction import Prediction, Results
from sentiment.inference.tokenizer import Tokenizer, Tokens, longest_input

# Tokens of a batch that leaves memory behind: a smaller one leaves little, and shall not wait.
_MANY = 2048
# Indices of texts whose tokens are the same.
Group = list[int]

logger = logging.getLogger(__name__)


class Classifier:
    """A checkpoint, loaded. Nothing about a request stays in it."""

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
        """Load `model_dir`, the output of `save_pretrained`, for one of `engine.NAMES`.

        `tokens_per_microbatch` of "auto" are as many as that engine is fastest with.
        """
        checkpoint = Checkpoint.read(model_dir)
        self.engine = engines.choose(engine, model_dir, gpu)
        self._engine = engines.load(self.engine, model_dir, checkpoint.pad_token_id, threads, gpu)
        self.labels = list(checkpoint.labels)
        self.max_tokens = min(max_tokens, longest_input(model_dir, checkpoint.max_positions))
        self._function = activation_for(checkpoint.problem_type, len(checkpoint.labels))
        self.tokenizer = Tokenizer(model_dir, self.max_tokens)
        self._tokens_per_microbatch = (
            self._engine.best_microbatch_tokens
            if tokens_per_microbatch == "auto"
            else tokens_per_microbatch
        )

    def warm_up(self) -> None:
        """Score shapes like those to come, so that no client pays for the first time.

        Raises Backend where the model has no score for them.
        """
        # One that takes rows in steps compiles for each number of rows, and of texts.
        many = range(2, 33) if self._engine.pad_to_multiple_of > 1 else (32,)
        shapes = [*((tokens, 1) for tokens in (16, 32, 48, 64)), *((31, texts) for texts in many)]
        full = max(self._tokens_per_microbatch // self.max_tokens, 1)
        for tokens, texts in (*shapes, (self.max_tokens, full)):
            sample = [f"{number} " + "good " * (tokens - 3) for number in range(texts)]
            for result in self.classify(sample):
                if isinstance(result, Backend):
                    raise result
        release()  # what loading took, and no longer needs

    def works(self) -> bool:
        """Whether an ordinary text still gets a score."""
        return not any(isinstance(result, Backend) for result in self.classify(["good"]))

    def classify(self, texts: Sequence[str]) -> Results:
        """Score `texts`, in order: `tokenizer`, then `score`."""
        return self.score(self.tokenizer(texts))

    def score(
        self,
        tokens: Sequence[Tokens],
        *,
        functions: Sequence[Activation | None] | None = None,
        sizes: Sequence[int] | None = None,
        deadline: float = float("inf"),
    ) -> Results:
        """Score tokenised texts, in order.

        `functions` says what makes scores of each text's logits, None being the checkpoint's own.
        After `deadline`, by `time.monotonic()`, the texts whose turn has not come get Overloaded
        in place of their prediction. `sizes` says how many texts the request of each text has:
        those of small requests come first, so that it is never a large one that makes them late.
        A text for which the model gives no number gets Backend, and so does one that the engine
        fails on, whose error is then the `__cause__`; one without tokens, as a tokenizer may make
        of odd characters, gets Validation.
        """
        functions = functions or [None] * len(tokens)
        late = Overloaded("The server ran out of time for this batch: send the text again later.")
        empty = Validation("The model's tokenizer leaves nothing of the text: send some words.")
        results: Results = [late if len(each.ids) else empty for each in tokens]
        for rows in self._microbatches(tokens, sizes or [1] * len(tokens)):
            for index, result in self._scored(rows, tokens, functions, deadline):
                results[index] = result
        if sum(len(each.ids) for each in tokens) > max(self._tokens_per_microbatch, _MANY):
            release()
        return results

    def _microbatches(
        self, tokens: Sequence[Tokens], sizes: Sequence[int]
    ) -> Iterator[list[list[Group]]]:
        """Rows of groups, those of small requests first; sizes are told apart to the power of two.

        Texts of the same tokens have the same logits: the one of the smallest request is scored.
        """
        alike: dict[bytes, Group] = {}
        scored = [index for index, each in enumerate(tokens) if len(each.ids)]
        for index in sorted(scored, key=sizes.__getitem__):
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

    def _scored(
        self,
        rows: list[list[Group]],
        tokens: Sequence[Tokens],
        functions: Sequence[Activation | None],
        deadline: float,
    ) -> Iterator[tuple[int, Prediction | RequestError]]:
        """Each text's index and result. Where the engine fails, half of the rows at a time."""
        if time.monotonic() > deadline:
            return
        groups = [group for row in rows for group in row]
        logits = None
        try:
            logits = self._logits([[tokens[group[0]].ids for group in row] for row in rows])
        except Exception as error:
            logger.warning("%d texts failed together: %s", len(groups), type(error).__name__)
            if len(groups) == 1:
                failed = Backend("The model fails on this text: send another one.")
                failed.__cause__ = error
                yield from ((index, failed) for index in groups[0])
                return
        if logits is None:  # only here has what failed let go of its memory
            for half in _halves(rows):
                yield from self._scored(half, tokens, functions, deadline)
            return
        usual = apply_activation(logits, self._function).tolist()
        for group, text_logits, text_scores in zip(groups, logits, usual, strict=True):
            for index in group:
                function = functions[index]
                own = apply_activation(text_logits, function).tolist() if function else text_scores
                yield index, self._prediction(own, tokens[index])

    def _logits(self, rows: Rows) -> NDArray[np.float32]:
        """Logits [texts, labels]; a text that has none takes none from those that share its row."""
        logits = self._engine.logits(rows)
        if np.isfinite(logits).all():
            return logits
        parts = np.split(logits, np.cumsum([len(row) for row in rows])[:-1])
        for row, part in zip(rows, parts, strict=True):
            if len(row) > 1 and not np.isfinite(part).all():
                part[:] = np.concatenate([self._engine.logits([[text]]) for text in row])
        return logits

    def _prediction(self, row: list[float], tokens: Tokens) -> Prediction | RequestError:
        if not all(map(math.isfinite, row)):
            return Backend("The model gave no usable score for this text: choose another model.")
        best = max(range(len(row)), key=row.__getitem__)
        rounded = [round(score, 6) for score in row]
        return Prediction(
            label=self.labels[best],
            score=rounded[best],
            scores=dict(zip(self.labels, rounded, strict=True)),
            tokens=len(tokens.ids),
            truncated=tokens.truncated,
        )


def _halves(rows: list[list[Group]]) -> tuple[list[list[Group]], list[list[Group]]]:
    """Half of the rows each or, where there is one, half of its groups."""
    middle = len(rows) // 2
    if middle:
        return rows[:middle], rows[middle:]
    (row,) = rows
    return [row[: len(row) // 2]], [row[len(row) // 2 :]]
