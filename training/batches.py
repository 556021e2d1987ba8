"""Make shuffled batches of texts of similar length, the same for the same seed and epoch."""

import random
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from training.data import Example, Target
from training.spelling import as_typed, vary

# Numbers of tokens to which long texts are truncated, with their probabilities. Short ones are
# cheap; the long ones are enough to train every position embedding.
TRUNCATIONS = ((128, 0.90), (256, 0.06), (512, 0.04))


@dataclass(frozen=True)
class Mixture:
    """`texts` per epoch by source; the sources of `together` come with all their variations."""

    texts: Mapping[str, int]
    together: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file like `mixture.toml`; raises OSError and tomllib.TOMLDecodeError."""
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        return cls(content["texts"], frozenset(content.get("together", ())))


@dataclass(frozen=True)
class Batch:
    """input_ids and attention_mask: int64 [texts, tokens]; targets: float32 [texts, labels]."""

    input_ids: Tensor
    attention_mask: Tensor
    targets: Tensor


@dataclass(frozen=True)
class _Row:
    ids: list[int]  # without special tokens
    target: Target


class Batches:
    """Draws an epoch's batches: picks texts, varies their spelling, tokenizes, groups by length."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        examples: Mapping[str, Sequence[Example]],
        mixture: Mixture,
        *,
        seed: int,
        texts: int,
        tokens: int,
    ) -> None:
        """Raises ValueError if a source of `mixture` has no examples."""
        missing = set(mixture.texts) - set(examples)
        if missing:
            raise ValueError(f"no texts for {', '.join(sorted(missing))} in the data folder")
        self.tokenizer, self.examples, self.mixture = tokenizer, examples, mixture
        self.seed, self.texts, self.tokens = seed, texts, tokens
        self._variations: dict[int, list[Example]] = defaultdict(list)
        of_interest = {example.group for source in mixture.together for example in examples[source]}
        for source in examples.values():
            for example in source:
                if example.group in of_interest:
                    self._variations[example.group].append(example)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of `plan(number)`, padded lazily."""
        return map(self._pad, self.plan(number))

    def plan(self, number: int) -> list[list[_Row]]:
        """The rows of each batch of an epoch: a text and its variations are in the same one."""
        draw = random.Random(f"{self.seed}/{number}")
        families = self._families(draw)
        texts = [self._spelling(example, draw) for family in families for example in family]
        encoded = iter(self.tokenizer(texts, add_special_tokens=False, verbose=False).input_ids)
        rows = [
            [_Row(self._truncate(next(encoded), draw), example.target) for example in family]
            for family in families
        ]
        # Noise on the length, so that batches differ between epochs.
        rows.sort(key=lambda family: _width(family) * draw.uniform(0.9, 1.1))
        batches: list[list[_Row]] = [[]]
        width = 0
        for family in rows:
            size = len(batches[-1]) + len(family)
            width = max(width, _width(family) + 2)
            if batches[-1] and (size > self.texts or width * size > self.tokens):
                batches.append([])
                width = _width(family) + 2
            batches[-1] += family
        draw.shuffle(batches)
        return batches

    def _families(self, draw: random.Random) -> list[list[Example]]:
        """The texts of an epoch: lists of variations, most of them of one text."""
        families = []
        taken: set[int] = set()
        # The sources that come together first: what they take is not drawn again.
        together = self.mixture.together
        for source in sorted(self.mixture.texts, key=lambda name: name not in together):
            examples, wanted = self.examples[source], self.mixture.texts[source]
            whole, rest = divmod(wanted, len(examples))
            count = 0
            for example in [*(list(examples) * whole), *draw.sample(examples, rest)]:
                if count >= wanted:
                    break
                if source in together:
                    if example.group in taken:
                        continue
                    taken.add(example.group)
                    family = self._variations[example.group]
                elif example.group in taken:
                    continue
                else:
                    family = [example]
                families.append(family)
                count += len(family)
        return families

    @staticmethod
    def _spelling(example: Example, draw: random.Random) -> str:
        # Half of the treebank's texts as people type them.
        text = as_typed(example.text) if draw.random() < 0.5 else example.text
        return vary(text, example.target, draw)

    def _truncate(self, ids: list[int], draw: random.Random) -> list[int]:
        (length,) = draw.choices([t[0] for t in TRUNCATIONS], weights=[t[1] for t in TRUNCATIONS])
        return ids[: length - 2] if draw.random() < 0.5 else ids[-(length - 2) :]

    def _pad(self, rows: list[_Row]) -> Batch:
        pad, cls, sep = (
            self.tokenizer.pad_token_id,
            self.tokenizer.cls_token_id,
            self.tokenizer.sep_token_id,
        )
        input_ids = torch.full((len(rows), _width(rows) + 2), pad)
        for i, row in enumerate(rows):
            input_ids[i, : len(row.ids) + 2] = torch.tensor([cls, *row.ids, sep])
        return Batch(
            input_ids,
            (input_ids != pad).long(),
            torch.tensor([row.target for row in rows]),
        )


def _width(rows: Sequence[_Row]) -> int:
    return max(len(row.ids) for row in rows)
