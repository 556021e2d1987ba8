"""Texts in, predictions out: tokenize, score all passages together, read each text's logits."""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from sentiment.errors import Overloaded, RequestError, Validation
from sentiment.inference import engines
from sentiment.inference.activation import activation_for, apply_activation
from sentiment.inference.checkpoint import Checkpoint, weights_hash
from sentiment.inference.memory import release
from sentiment.inference.options import DEFAULT, Options
from sentiment.inference.prediction import EngineFailure, Prediction, Sentence, Word
from sentiment.inference.scorer import Logits, Scorer
from sentiment.inference.tokenizer import Tokenizer, longest_input
from sentiment.inference.tokens import Ids, Text, Tokens
from sentiment.inference.trial import choose

Outcome = Prediction | RequestError | EngineFailure


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
        max_windows: int = 1,
        cache_entries: int = 0,
    ) -> None:
        """Load `model_dir`, the output of `save_pretrained`, into the engine of that name.

        `tokens_per_microbatch` "auto" is the number with which the engine is fastest. A text longer
        than the model takes is read in up to `max_windows` windows; 1 truncates it. `cache_entries`
        is the number of passages whose logits are kept.
        """
        self._model_dir = model_dir
        self._checkpoint = checkpoint = Checkpoint.read(model_dir)
        self._choice = choose(model_dir, threads, gpu) if engine == "auto" else None
        self.engine = self._choice.engine if self._choice else engine
        loaded = engines.load(self.engine, model_dir, checkpoint.pad_token_id, threads, gpu)
        if tokens_per_microbatch == "auto":
            tokens_per_microbatch = loaded.best_microbatch_tokens
        self.scorer = Scorer(loaded, tokens_per_microbatch, cache_entries)
        self.labels = list(checkpoint.labels)
        self.temperature = checkpoint.temperature
        self.max_tokens = min(max_tokens, longest_input(model_dir, checkpoint.max_positions))
        self._activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
        self.takes_pairs = checkpoint.takes_pairs
        self.tokenizer = Tokenizer(
            model_dir,
            self.max_tokens,
            max_windows,
            takes_pairs=checkpoint.takes_pairs,
            token_types=checkpoint.token_types,
        )

    def facts(self) -> dict[str, object]:
        """Which checkpoint this is, and how it is run.

        That is the engine with its agreement with torch, as the build measured it, and the trials
        of all engines on this CPU; the calibration; and the SHA-256 of the weights, for which they
        are read once more.
        """
        agreement = engines.read_record(self._model_dir).get(self.engine, {})
        trials = {"trials": msgspec.to_builtins(self._choice.trials)} if self._choice else {}
        return {
            "engine": {"name": self.engine, **agreement, **trials},
            "calibration": self._checkpoint.calibration,
            "weights": weights_hash(self._model_dir),
        }

    def warm_up(self) -> None:
        """Score typical shapes, so that no request pays for first-use compilation.

        Raises EngineDead if the model has no score for one of them.
        """
        # An engine that pads rows to a multiple compiles for each number of rows and texts.
        many = range(2, 33) if self.scorer.engine.pad_to_multiple_of > 1 else (32,)
        shapes = [*((tokens, 1) for tokens in (16, 32, 48, 64)), *((31, texts) for texts in many)]
        full = max(self.scorer.tokens_per_microbatch // self.max_tokens, 1)
        for tokens, texts in (*shapes, (self.max_tokens, full)):
            sample = [f"{number} " + "good " * (tokens - 3) for number in range(texts)]
            for outcome in self.classify(sample):
                if isinstance(outcome, EngineFailure):
                    raise EngineDead(
                        "the model has no score for an ordinary text"
                    ) from outcome.error
        release()  # memory that only loading needed

    def classify(self, texts: Sequence[Text], options: Options = DEFAULT) -> list[Outcome]:
        """Score `texts` with the same options, in order: `tokenizer`, then `score`."""
        each = [options] * len(texts)
        return self.score(self.tokenizer(texts, each), options=each)

    def score(
        self,
        tokens: Sequence[Tokens],
        *,
        options: Sequence[Options] | None = None,
        sizes: Sequence[int] | None = None,
        deadlines: Sequence[float] | None = None,
    ) -> list[Outcome]:
        """Score tokenized texts, in order; raises EngineDead.

        All arguments have one entry per text. `sizes` is the number of passages in the text's
        request: small requests are scored first, so that a large one never makes them late. A text
        that is not scored by its deadline, in seconds of `time.monotonic`, gets Overloaded. A text
        on which the engine fails gets EngineFailure. A text without tokens, which some tokenizers
        return for odd characters, gets Validation.
        """
        options = options or [DEFAULT] * len(tokens)
        sizes = sizes or [1] * len(tokens)
        deadlines = deadlines or [float("inf")] * len(tokens)
        passages: list[Ids] = []
        sizes_of_passages: list[int] = []
        deadlines_of_passages: list[float] = []
        for text, size, deadline in zip(tokens, sizes, deadlines, strict=True):
            passages += text.passages
            more = len(passages) - len(sizes_of_passages)
            sizes_of_passages += [size] * more
            deadlines_of_passages += [deadline] * more
        results = self.scorer.logits(passages, sizes_of_passages, deadlines_of_passages)
        if (
            not any(isinstance(result, np.ndarray) for result in results)
            and any(isinstance(result, EngineFailure) for result in results)
            and not self._works()
        ):
            raise EngineDead("the model fails on every text")
        remaining = iter(results)
        scored = [list(islice(remaining, len(text.passages))) for text in tokens]
        outcomes: dict[int, Outcome] = {}
        alike: dict[Options, list[int]] = {}
        for index, (text, logits) in enumerate(zip(tokens, scored, strict=True)):
            failure = _failure(text, logits)
            if failure:
                outcomes[index] = failure
            else:
                alike.setdefault(options[index], []).append(index)
        for option, indices in alike.items():
            texts = [(tokens[index], np.array(scored[index])) for index in indices]
            outcomes.update(zip(indices, self._read(texts, option), strict=True))
        return [outcomes[index] for index in range(len(tokens))]

    def _works(self) -> bool:
        """Whether an ordinary text still gets a score."""
        (text,) = self.tokenizer(["good"])
        (result,) = self.scorer.logits([text.ids], [1], [float("inf")])
        return isinstance(result, np.ndarray)

    def _read(
        self, texts: Sequence[tuple[Tokens, NDArray[np.float32]]], options: Options
    ) -> Iterator[Prediction]:
        """The predictions of texts with the same options, from the logits of their passages."""
        of_windows = [logits[: len(tokens.windows)] for tokens, logits in texts]
        predictions = self._decide([combined(windows) for windows in of_windows], options)
        for (tokens, logits), windows, prediction in zip(
            texts, of_windows, predictions, strict=True
        ):
            # Slices, since this runs for every text: np.split takes 20 times as long.
            words = len(windows) + len(tokens.sentences)
            of_sentences, of_words = logits[len(windows) : words], logits[words:]
            yield replace(
                prediction,
                tokens=sum(map(len, tokens.windows)),
                windows=len(windows),
                truncated=tokens.truncated,
                sentences=self._sentences(tokens, of_sentences, options),
                words=self._words(tokens, prediction, windows, of_words, options),
            )

    def _decide(self, logits: Sequence[Logits], options: Options) -> list[Prediction]:
        """The predictions of several logits [labels], of which the options choose some."""
        labels = options.labels or self.labels
        chosen = np.array(logits).reshape(len(logits), len(self.labels))
        if options.labels:
            chosen = chosen[:, [self.labels.index(label) for label in labels]]
        activation = options.activation or self._activation
        if activation != "none":
            chosen = chosen / np.float32(self.temperature)
        predictions = []
        for scores in apply_activation(chosen, activation).tolist():
            best = max(range(len(scores)), key=scores.__getitem__)
            by_label = dict(zip(labels, scores, strict=True))
            predictions.append(Prediction(labels[best], scores[best], by_label, tokens=0))
        return predictions

    def _sentences(
        self, tokens: Tokens, logits: NDArray[np.float32], options: Options
    ) -> tuple[Sentence, ...] | None:
        if not options.sentences:
            return None
        return tuple(
            Sentence(passage.start, passage.end, prediction)
            for passage, prediction in zip(
                tokens.sentences, self._decide(list(logits), options), strict=True
            )
        )

    def _words(
        self,
        tokens: Tokens,
        prediction: Prediction,
        windows: NDArray[np.float32],
        logits: NDArray[np.float32],
        options: Options,
    ) -> tuple[Word, ...] | None:
        if not options.explain_tokens:
            return None
        left_out = iter(logits)
        texts = []
        for word in tokens.words:
            changed = windows.copy()
            for window, _ in word.variants:
                changed[window] = next(left_out)
            texts.append(combined(changed))
        return tuple(
            Word(word.start, word.end, prediction.score - without.scores[prediction.label])
            for word, without in zip(tokens.words, self._decide(texts, options), strict=True)
        )


def combined(windows: NDArray[np.float32]) -> Logits:
    """The logits of a text from those of its windows [windows, labels]: their mean."""
    mean: Logits = windows.mean(axis=0) if len(windows) > 1 else windows[0]
    return mean


def _failure(tokens: Tokens, results: Sequence[Logits | EngineFailure | None]) -> Outcome | None:
    """Why a text has no prediction, if it has none."""
    if not len(tokens.ids):
        return Validation("The model's tokenizer leaves nothing of the text: send some words.")
    for result in results:
        if result is None:
            return Overloaded(
                "The server ran out of time for this batch: send the text again later."
            )
        if isinstance(result, EngineFailure):
            return result
    return None
