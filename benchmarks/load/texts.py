"""The texts that are sent, and the bodies that they are sent in."""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from benchmarks.load.loads import MANY
from scripts.failure import Failure
from scripts.paths import ROOT

CORPUS = ROOT / "scripts" / "archive" / "corpus.txt"
SETTINGS = ROOT / "handler" / "model-config.yaml"
# Beyond this many words a line of the corpus is a review, and no sentence.
SENTENCE_WORDS = 60
# As many as the largest load has in flight at once.
DISTINCT = 64 * MANY
SEED = 7


def read(files: Sequence[Path]) -> dict[str, list[str]]:
    """Name -> texts, shuffled and distinct: those of each file, or of the bundled corpus."""
    if files:
        return {path.stem: distinct(shuffled(lines(path))) for path in files}
    texts = lines(CORPUS)
    sentences = [text for text in texts if len(text.split()) <= SENTENCE_WORDS]
    reviews = [text for text in texts if len(text.split()) > SENTENCE_WORDS]
    return {
        "sentences": distinct(shuffled(sentences)),
        "mixed": distinct(shuffled(reviews + shuffled(sentences)[: len(reviews) // 3])),
    }


def lines(path: Path) -> list[str]:
    """The texts of a file, one a line; raises Failure."""
    try:
        texts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Failure(f"{path} is no UTF-8 text: {error}.") from None
    found = list(dict.fromkeys(text for text in texts if text and not text.startswith("#")))
    if not found:
        raise Failure(f"{path} has no texts: write one a line.")
    handler = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["handler"]
    most, longest = handler["max_chars_per_text"], max(map(len, found))
    if longest > most:
        raise Failure(f"{path} has a text of {longest:,} characters: the service takes {most:,}.")
    return found


def source(path: Path) -> str:
    """What its first line says after a "#", or else the file's name."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else path.name


def shuffled(texts: Sequence[str]) -> list[str]:
    """The same order in every run."""
    return random.Random(SEED).sample(texts, len(texts))


def distinct(texts: Sequence[str], count: int = DISTINCT) -> list[str]:
    """At least `count` texts, no two alike: from the second time on, a text is numbered.

    Otherwise a server that knows a text again would look faster than it is on texts of users.
    """
    rounds = -(-count // len(texts))
    # In front, where no cutting to the model's length takes the number away.
    return [f"({r}) {text}" if r else text for r in range(rounds) for text in texts]


def bodies(texts: Sequence[str], size: int) -> list[bytes]:
    """JSON requests of `size` texts each."""
    if size == 1:
        return [json.dumps({"text": text}).encode() for text in texts]
    return [
        json.dumps({"texts": texts[i : i + size]}).encode()
        for i in range(0, len(texts) - size + 1, size)
    ]


def lengths(corpora: Mapping[str, Sequence[str]], model: Path) -> dict[str, dict[str, float]]:
    """Number, mean and median tokens of each corpus's texts, cut where the model cuts them."""
    import statistics

    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    counted = {}
    for name, texts in corpora.items():
        tokens = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts))]
        counted[name] = {
            "texts": len(tokens),
            "mean": statistics.mean(tokens),
            "median": statistics.median(tokens),
        }
    return counted
