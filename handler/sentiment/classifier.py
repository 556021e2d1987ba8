"""Texts in, predictions out: tokenise all at once, score texts of like length together."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from sentiment import engines
from sentiment.checkpoint import Checkpoint
from sentiment.engines.engine import width
from sentiment.errors import Backend, Overloaded, RequestError
from sentiment.memory import release
from sentiment.prediction import Prediction, Results
from sentiment.scores import Function, function_for, scores
from sentiment.tokenizer import Tokenizer, Tokens, longest_input

# Padding that a microbatch may hold, in tokens: about what a further call of the engine costs.
_PADDING = 64


class Classifier:
    """A checkpoint, loaded. Nothing about a request stays in it."""

    def __init__(
        self,
        model_dir: Path,
        *,
        max_tokens: int,
        tokens_per_microbatch: int,
        threads: int,
        engine: str = "torch",
        gpu: int | None = None,
    ) -> None:
        """Load `model_dir`, the output of `save_pretrained`, for one of `engine.NAMES`."""
        checkpoint = Checkpoint.read(model_dir)
        self.engine = engines.choose(engine, model_dir, gpu)
        self._engine = engines.load(self.engine, model_dir, checkpoint.pad, threads, gpu)
        self.labels = list(checkpoint.labels)
        self.max_tokens = min(max_tokens, longest_input(model_dir, checkpoint.positions))
        self._function = function_for(checkpoint.problem_type, len(checkpoint.labels))
        self.tokenizer = Tokenizer(model_dir, self.max_tokens)
        self._tokens_per_microbatch = tokens_per_microbatch

    def warm_up(self) -> None:
        """Score shapes like those to come, so that no client pays for the first time."""
        shapes = [(words, texts) for words in (8, 24, 40, 56) for texts in (1, 32)]
        for words, texts in (*shapes, (self.max_tokens, 4)):
            self.classify([f"{number} " + "good " * words for number in range(texts)])
        release()  # what loading took, and no longer needs

    def classify(self, texts: Sequence[str]) -> Results:
        """Score `texts`, in order: `tokenizer`, then `score`."""
        return self.score(self.tokenizer(texts))

    def score(
        self,
        tokens: Sequence[Tokens],
        *,
        functions: Sequence[Function | None] | None = None,
        sizes: Sequence[int] | None = None,
        deadline: float = float("inf"),
    ) -> Results:
        """Score tokenised texts, in order.

        `functions` says what makes scores of each text's logits, None being the checkpoint's own.
        After `deadline`, by `time.monotonic()`, the texts whose turn has not come get Overloaded
        in place of their prediction. `sizes` says how many texts the request of each text has:
        those of small requests come first, so that it is never a large one that makes them late.
        A text for which the model gives no number gets Backend.
        """
        functions = functions or [None] * len(tokens)
        results: Results = [
            Overloaded("The server ran out of time for this batch: send the text again later.")
        ] * len(tokens)
        sizes = sizes or [1] * len(tokens)
        # Texts of the same tokens have the same logits: the one of the smallest request is scored.
        alike: dict[bytes, list[int]] = {}
        for index in sorted(range(len(tokens)), key=sizes.__getitem__):
            alike.setdefault(tokens[index].ids.tobytes(), []).append(index)
        microbatches = list(self._microbatches(list(alike.values()), tokens, sizes))
        for microbatch in microbatches:
            if time.monotonic() > deadline:
                break
            logits = self._engine.logits([tokens[group[0]].ids for group in microbatch])
            for group, row in zip(microbatch, logits, strict=True):
                for index in group:
                    row_scores = scores(row, functions[index] or self._function)
                    results[index] = self._prediction(row_scores.tolist(), tokens[index])
        if sum(len(each.ids) for each in tokens) > self._tokens_per_microbatch:
            release()  # a small batch leaves little behind, and shall not wait
        return results

    def _microbatches(
        self, groups: Sequence[list[int]], tokens: Sequence[Tokens], sizes: Sequence[int]
    ) -> Iterator[list[list[int]]]:
        """Groups of like texts, shortest first, cut where tokens or padding would be too many.

        Requests are first told apart by size, to the power of two.
        """

        def order(group: list[int]) -> tuple[int, int]:
            return sizes[group[0]].bit_length(), len(tokens[group[0]].ids)

        microbatch: list[list[int]] = []
        longest = total = 0  # tokens of the longest text, and of all, each in whole steps
        for group in sorted(groups, key=order):
            length = width(len(tokens[group[0]].ids), self._engine.step)
            longest, total = max(longest, length), total + length
            padded = longest * (len(microbatch) + 1)
            if microbatch and (padded > self._tokens_per_microbatch or padded - total > _PADDING):
                yield microbatch
                microbatch, longest, total = [], length, length
            microbatch.append(group)
        if microbatch:
            yield microbatch

    def _prediction(self, row: list[float], tokens: Tokens) -> Prediction | RequestError:
        if not np.isfinite(row).all():
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
