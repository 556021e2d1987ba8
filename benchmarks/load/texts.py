"""The texts that are sent, and the request bodies that hold them."""

import json
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.load.loads import MANY
from scripts.archive.texts import CORPUS, read_lines
from scripts.failure import Failure
from scripts.paths import ROOT

SETTINGS = ROOT / "handler" / "model-config.yaml"
# A line of the corpus with more words than this is a review, otherwise it is a sentence.
SENTENCE_WORDS = 60
# The number that the largest load has in flight at once.
DISTINCT = 64 * MANY
SEED = 7


def read(files: Sequence[Path]) -> dict[str, list[str]]:
    """Return name -> texts, shuffled and distinct: those of each file, or of the bundled corpus."""
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
    """Return the distinct texts of a file, one per line; a line with # at its start is a comment.

    Raises Failure if it cannot be read, has no texts, or has one that the service would refuse.
    """
    stripped = (line.strip() for line in read_lines(path))
    texts = list(dict.fromkeys(text for text in stripped if not text.startswith("#")))
    if not texts:
        raise Failure(f"{path} has only comments: write one text per line.")
    handler = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))["handler"]
    limit, longest = handler["max_chars_per_text"], max(map(len, texts))
    if longest > limit:
        raise Failure(
            f"{path} has a text of {longest:,} characters; the service accepts {limit:,}."
        )
    return texts


def source(path: Path) -> str:
    """Return the text of a comment on the first line, or else the file's name."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.lstrip("# ") if first.startswith("#") else path.name


def shuffled(texts: Sequence[str]) -> list[str]:
    """Return the texts in random order, the same one in every run."""
    return random.Random(SEED).sample(texts, len(texts))


def distinct(texts: Sequence[str], count: int = DISTINCT) -> list[str]:
    """Return at least `count` different texts: repeated ones are numbered.

    With repeated texts, a server with a cache would look faster than it is for users.
    """
    rounds = -(-count // len(texts))
    # The number comes first, so that truncation keeps it.
    return [f"({r}) {text}" if r else text for r in range(rounds) for text in texts]


def text_or_texts(texts: Sequence[str]) -> dict[str, Any]:
    """Return the content of a request that this service and most peers take."""
    return {"text": texts[0]} if len(texts) == 1 else {"texts": list(texts)}


def bodies(
    texts: Sequence[str], size: int, content: Callable[[Sequence[str]], object] = text_or_texts
) -> list[bytes]:
    """Return JSON request bodies with `size` texts each."""
    starts = range(0, len(texts) - size + 1, size)
    return [json.dumps(content(texts[start : start + size])).encode() for start in starts]


def lengths(corpora: Mapping[str, Sequence[str]], model: Path) -> dict[str, dict[str, float]]:
    """Return each corpus's number of texts, and their mean and median tokens, truncated to 512."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(512)
    result = {}
    for name, texts in corpora.items():
        tokens = [len(encoding.ids) for encoding in tokenizer.encode_batch_fast(list(texts))]
        result[name] = {
            "texts": len(tokens),
            "mean": statistics.mean(tokens),
            "median": statistics.median(tokens),
        }
    return result
