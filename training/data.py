"""Read labelled texts: examples for training, and sets for evaluation.

The data directory holds gzipped JSON lines, one text per row:

    sst_train, sst_dev, sst_test .jsonl.gz    {"text", "label5": 0..4, "kind"}
    imdb_train.jsonl.gz                       {"text", "label": 0 | 1}, in random order

SST is the Stanford Sentiment Treebank (Socher et al. 2013), graded from 0 (very negative) to 4
(very positive). SST-2 is SST without the neutral rows (grade 2), with two labels. IMDb is the Large
Movie Review Dataset (Maas et al. 2011). Neither is part of this repository.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Reviews at the end of the IMDb file that are kept for evaluation.
HELD_OUT_REVIEWS = 2_500
# Neutral SST rows to train on, with a target of one half. Without them, a model gives neutral
# sentences ("The film is two hours long.") a high score for one of the labels.
NEUTRAL_EXAMPLES = 15_000
# The probability of POSITIVE for each of SST's grades: that of "good" is lower than of "superb".
TARGETS = {0: 0.0, 1: 0.1, 2: 0.5, 3: 0.9, 4: 1.0}


@dataclass(frozen=True)
class Example:
    """A text and the probability, from 0 to 1, that it is POSITIVE."""

    text: str
    target: float


@dataclass(frozen=True)
class EvaluationSet:
    """Texts and their labels: 0 NEGATIVE, 1 POSITIVE."""

    name: str
    texts: list[str]
    labels: list[int]


def training_examples(data: Path, seed: int) -> tuple[list[Example], list[Example]]:
    """Return (short, long): SST sentences and phrases, and whole IMDb reviews.

    Texts are distinct, and none of them is in an evaluation set. Raises OSError.
    """
    unseen = {_key(text) for held_out in evaluation_sets(data) for text in held_out.texts}
    grades: dict[str, int] = {}
    for row in _rows(data / "sst_train.jsonl.gz"):
        grades.setdefault(row["text"], row["label5"])
    usable = [(text, grade) for text, grade in grades.items() if _key(text) not in unseen]
    neutral = [Example(text, TARGETS[2]) for text, grade in usable if grade == 2]
    random.Random(seed).shuffle(neutral)
    short = [Example(text, TARGETS[grade]) for text, grade in usable if grade != 2]
    labels = {
        row["text"]: row["label"]
        for row in list(_rows(data / "imdb_train.jsonl.gz"))[:-HELD_OUT_REVIEWS]
    }
    long = [
        Example(text, float(label)) for text, label in labels.items() if _key(text) not in unseen
    ]
    return short + neutral[:NEUTRAL_EXAMPLES], long


def evaluation_sets(data: Path) -> list[EvaluationSet]:
    """Return SST-2 dev (872 sentences) and test (1,821), and 2,500 IMDb reviews; raises OSError."""
    sets = []
    for split in ("dev", "test"):
        rows = [row for row in _rows(data / f"sst_{split}.jsonl.gz") if row["label5"] != 2]
        labels = [int(row["label5"] > 2) for row in rows]
        sets.append(EvaluationSet(f"sst2-{split}", [row["text"] for row in rows], labels))
    rows = list(_rows(data / "imdb_train.jsonl.gz"))[-HELD_OUT_REVIEWS:]
    reviews = [row["text"] for row in rows]
    sets.append(EvaluationSet("imdb-held-out", reviews, [row["label"] for row in rows]))
    return sets


def as_typed(text: str) -> str:
    """Undo SST's tokenization, to get ordinary spelling: "do n't" becomes "don't"."""
    text = text.replace("-LRB-", "(").replace("-RRB-", ")")
    text = re.sub(r"(?:``|'')", '"', text)
    text = re.sub(r" (n't|'\w{1,2})\b", r"\1", text)
    text = re.sub(r"\( ", "(", text)
    return re.sub(r" ([.,;:!?)])", r"\1", text)


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
