"""Read labelled texts: examples for training, and sets for evaluation.

The data folder holds gzipped JSON lines, one text per row; none of it is part of this repository:

    sst_train, sst_dev, sst_test    {"text", "label5": 0..4, "kind": "sentence" | "phrase"}
    imdb_train                      {"text", "label": 0 | 1}, in random order
    wide/*                          {"text", "label": "negative" | "neutral" | "positive"}
    measure/*                       the same, never trained on

SST is the Stanford Sentiment Treebank (Socher et al. 2013), graded from 0 (very negative) to 4
(very positive). SST-2 is SST without the neutral rows (grade 2). IMDb is the Large Movie Review
Dataset (Maas et al. 2011). `training/mixture.toml` says how much of each file is trained on.

Texts that are variations of one another form a group (`training/groups.py`). One group of sixteen
is held out of every file of `wide`, and so are the last 2,500 IMDb reviews.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.groups import group_variations

LABELS = ("NEGATIVE", "NEUTRAL", "POSITIVE")
NEGATIVE, NEUTRAL, POSITIVE = range(3)
# Reviews at the end of the IMDb file that are kept for evaluation.
HELD_OUT_REVIEWS = 2_500
# Groups of which one is held out of training.
HELD_OUT_SHARE = 16

# A probability per label, in the order of LABELS.
Target = tuple[float, float, float]
# The targets of SST's grades: "good" is less sure than "superb".
GRADES: tuple[Target, ...] = (
    (1.0, 0.0, 0.0),
    (0.85, 0.15, 0.0),
    (0.08, 0.84, 0.08),
    (0.0, 0.15, 0.85),
    (0.0, 0.0, 1.0),
)


@dataclass(frozen=True)
class Example:
    """A text, the probability of each label, and the number of its group of variations."""

    text: str
    target: Target
    group: int


@dataclass(frozen=True)
class EvaluationSet:
    """Texts and their labels, which are indices of LABELS."""

    name: str
    texts: list[str]
    labels: list[int]


@dataclass(frozen=True)
class _Row:
    text: str
    target: Target
    label: int
    kind: str = ""


def training_examples(data: Path) -> dict[str, list[Example]]:
    """Return distinct examples by the name of their file, "sst_train/sentence" for one kind of SST.

    None of them is in an evaluation set, or is a variation of a text that is. Raises OSError.
    """
    files = _training_files(data)
    groups = _groups(files)
    held_out = _held_out(files, groups)
    seen = {_key(text) for part in _published_sets(data) for text in part.texts}
    numbers = iter(groups)
    examples: dict[str, list[Example]] = {}
    for name, part in files.items():
        for row, group in zip(part, numbers, strict=False):
            key = _key(row.text)
            if group in held_out or key in seen:
                continue
            seen.add(key)
            source = f"{name}/{row.kind}" if name == "sst_train" else name
            examples.setdefault(source, []).append(Example(row.text, row.target, group))
    return examples


def evaluation_sets(data: Path) -> list[EvaluationSet]:
    """Return every set for evaluation; raises OSError.

    sst2-dev and sst2-test (872 and 1,821 sentences), sst3-dev and sst3-test (with the neutral ones,
    1,101 and 2,210), imdb (2,500 reviews), measure/* and the held-out part of wide/*.
    """
    files = _training_files(data)
    groups = _groups(files)
    held_out = _held_out(files, groups)
    numbers = iter(groups)
    sets = _published_sets(data)
    for name, part in files.items():
        # The generator takes as many numbers as there are rows, used or not.
        kept = [row for row, group in zip(part, numbers, strict=False) if group in held_out]
        if name.startswith("wide/"):
            sets.append(_set(name, kept))
    return sets


def _published_sets(data: Path) -> list[EvaluationSet]:
    sets = []
    for split in ("dev", "test"):
        rows = _sst(data / f"sst_{split}.jsonl.gz")
        sets.append(_set(f"sst2-{split}", [row for row in rows if row.label != NEUTRAL]))
        sets.append(_set(f"sst3-{split}", rows))
    sets.append(_set("imdb", _imdb(data / "imdb_train.jsonl.gz")[-HELD_OUT_REVIEWS:]))
    sets += [
        _set(f"measure/{path.name.split('.')[0]}", _labelled(path))
        for path in sorted((data / "measure").glob("*.jsonl.gz"))
    ]
    return sets


def _training_files(data: Path) -> dict[str, list[_Row]]:
    files = {
        "sst_train": _sst(data / "sst_train.jsonl.gz"),
        "imdb_train": _imdb(data / "imdb_train.jsonl.gz"),
    }
    for path in sorted((data / "wide").glob("*.jsonl.gz")):
        files[f"wide/{path.name.split('.')[0]}"] = _labelled(path)
    return files


def _groups(files: dict[str, list[_Row]]) -> list[int]:
    """The group of every row; a sentence of SST and its phrases are none."""
    phrases = len(files["sst_train"])
    others = [row.text for name, part in files.items() if name != "sst_train" for row in part]
    return [*range(phrases), *(phrases + group for group in group_variations(others))]


def _held_out(files: dict[str, list[_Row]], groups: list[int]) -> set[int]:
    """The groups that are not trained on: those of held-out reviews, and one of sixteen."""
    held_out: set[int] = set()
    start = 0
    for name, part in files.items():
        numbers = groups[start : start + len(part)]
        start += len(part)
        if name == "imdb_train":
            held_out.update(numbers[-HELD_OUT_REVIEWS:])
        elif name.startswith("wide/"):
            firsts: dict[int, str] = {}
            for row, group in zip(part, numbers, strict=True):
                firsts.setdefault(group, row.text)
            held_out.update(
                group
                for group, text in firsts.items()
                if zlib.crc32(_key(text).encode()) % HELD_OUT_SHARE == 0
            )
    return held_out


def _sst(path: Path) -> list[_Row]:
    return [
        _Row(row["text"], GRADES[row["label5"]], (row["label5"] > 1) + (row["label5"] > 2), kind)
        for row in _rows(path)
        if (kind := row["kind"])
    ]


def _imdb(path: Path) -> list[_Row]:
    return [_row(row["text"], POSITIVE if row["label"] else NEGATIVE) for row in _rows(path)]


def _labelled(path: Path) -> list[_Row]:
    return [_row(row["text"], LABELS.index(row["label"].upper())) for row in _rows(path)]


def _row(text: str, label: int) -> _Row:
    target: Any = tuple(float(index == label) for index in range(len(LABELS)))
    return _Row(text, target, label)


def _set(name: str, rows: list[_Row]) -> EvaluationSet:
    return EvaluationSet(name, [row.text for row in rows], [row.label for row in rows])


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
