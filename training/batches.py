"""Make shuffled batches of texts of similar length, the same for the same seed and epoch."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.data import Example, as_typed

# Numbers of tokens to which reviews are truncated, with their probabilities. Short ones are cheap;
# the long ones are enough to train every position embedding.
TRUNCATIONS = ((128, 0.83), (256, 0.10), (512, 0.07))

# Token ids without special tokens, and the target.
Row = tuple[list[int], float]


@dataclass(frozen=True)
class Batch:
    """input_ids and attention_mask: int64 [texts, tokens]; targets: float32 [texts], in 0..1."""

    input_ids: Tensor
    attention_mask: Tensor
    targets: Tensor


class Batches:
    """Draws an epoch's batches: tokenizes, truncates, groups by length into batches, shuffles."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        short: Sequence[Example],
        long: Sequence[Example],
        *,
        seed: int,
        texts: int,
        tokens: int,
    ) -> None:
        self.pad, self.cls, self.sep = (
            tokenizer.pad_token_id,
            tokenizer.cls_token_id,
            tokenizer.sep_token_id,
        )
        self.seed, self.texts, self.tokens = seed, texts, tokens

        def ids(texts: list[str]) -> list[list[int]]:
            encoded: list[list[int]] = tokenizer(
                texts, add_special_tokens=False, verbose=False
            ).input_ids
            return encoded

        self.short = list(
            zip(
                ids([example.text for example in short]),
                ids([as_typed(example.text) for example in short]),
                strict=True,
            )
        )
        self.long = ids([example.text for example in long])
        self.short_targets = [example.target for example in short]
        self.long_targets = [example.target for example in long]

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of `plan(number)`, padded lazily."""
        return map(self._pad, self.plan(number))

    def plan(self, number: int) -> list[list[Row]]:
        """Return every example once: SST raw or `as_typed`, reviews truncated to head or tail."""
        draw = random.Random(f"{self.seed}/{number}")
        rows = [
            (pair[draw.random() < 0.5], target)
            for pair, target in zip(self.short, self.short_targets, strict=True)
        ]
        rows += [
            (self._truncate(review, draw), target)
            for review, target in zip(self.long, self.long_targets, strict=True)
        ]
        # Noise on the length, so that batches differ between epochs.
        rows.sort(key=lambda row: len(row[0]) * draw.uniform(0.9, 1.1))
        batches, start = [], 0
        while start < len(rows):
            stop, longest = start, 0
            while stop < len(rows) and stop - start < self.texts:
                longest = max(longest, len(rows[stop][0]) + 2)
                if longest * (stop + 1 - start) > self.tokens and stop > start:
                    break
                stop += 1
            batches.append(rows[start:stop])
            start = stop
        draw.shuffle(batches)
        return batches

    def _truncate(self, review: list[int], draw: random.Random) -> list[int]:
        (length,) = draw.choices([t[0] for t in TRUNCATIONS], weights=[t[1] for t in TRUNCATIONS])
        return review[: length - 2] if draw.random() < 0.5 else review[-(length - 2) :]

    def _pad(self, rows: list[Row]) -> Batch:
        width = max(len(ids) for ids, _ in rows) + 2
        input_ids = torch.full((len(rows), width), self.pad)
        for i, (ids, _) in enumerate(rows):
            input_ids[i, : len(ids) + 2] = torch.tensor([self.cls, *ids, self.sep])
        return Batch(
            input_ids,
            (input_ids != self.pad).long(),
            torch.tensor([target for _, target in rows]),
        )
