"""The texts on which the engines are compared: the bundled ones, or the user's.

If the tokenizer does not know the words of the bundled texts, only unknown tokens would be
compared; then the texts are made from its vocabulary.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.failure import Failure

# Sentences and whole reviews, one per line, written for this purpose.
CORPUS = Path(__file__).with_name("corpus.txt")
# Largest fraction of words that the tokenizer does not know.
MAX_UNKNOWN = 0.2
# Number of texts that are made from a vocabulary, and their lengths in tokens.
_COUNT, _LENGTHS = 150, (1, 2, 4, 8, 16, 32, 64, 128)
# Files next to a checkpoint while it is packaged, one text per line: those to compare the engines
# on, and those of which some are archived.
SAVED_TEXTS, GOLDEN_TEXTS = "texts.txt", "golden.txt"


def comparison_texts(tokenizer: Any, path: Path | None = None) -> list[str]:
    """The texts in `path`, one per line, or the bundled ones, or texts made from the vocabulary.

    `tokenizer` is a fast one of `transformers`. Raises Failure if `path` cannot be used.
    """
    if path:
        texts = read_lines(path)
        if unknown_share(tokenizer, texts) > MAX_UNKNOWN:
            raise Failure(
                f"The tokenizer does not know most words of {path}: give texts like those that "
                "the model was trained on."
            )
        return texts
    texts = CORPUS.read_text(encoding="utf-8").splitlines()
    unknown = unknown_share(tokenizer, texts)
    if unknown <= MAX_UNKNOWN:
        return texts
    print(
        f"The tokenizer does not know {unknown:.0%} of the words of the bundled English texts, so "
        "the engines are compared on random tokens of its vocabulary. Your own texts would show "
        "more: make archive TEXTS=file, with one text per line.",
        flush=True,
    )
    return vocabulary_texts(tokenizer)


def save_texts(texts: Sequence[str], folder: Path, name: str = SAVED_TEXTS) -> Path:
    """Save `texts` next to the checkpoint in `folder`, for `saved_texts`; returns the file."""
    path = folder / name
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def saved_texts(folder: Path, name: str = SAVED_TEXTS) -> list[str]:
    """The texts next to the checkpoint in `folder`, or the bundled ones."""
    path = folder / name
    return read_lines(path if path.exists() else CORPUS)


def read_lines(path: Path) -> list[str]:
    """The lines of a file that are not blank; raises Failure if there are none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8: save it as UTF-8, with one text per line.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Failure(f"{path} cannot be read ({reason}): name a file of texts.") from None
    if not (texts := [line for line in lines if line.strip()]):
        raise Failure(f"{path} holds no text: write one text per line.")
    return texts


def unknown_share(tokenizer: Any, texts: Sequence[str]) -> float:
    """Fraction of the words, split at whitespace, for which the tokenizer has no token."""
    words = list({word for text in texts for word in text.split()})
    encodings = tokenizer(words, add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    return sum(not ids or unknown in ids for ids in encodings) / max(len(words), 1)


def vocabulary_texts(tokenizer: Any) -> list[str]:
    """Texts of random tokens, without special ones; the same for the same vocabulary."""
    special = set(tokenizer.all_special_ids)
    ids = sorted(id_ for id_ in tokenizer.get_vocab().values() if id_ not in special)
    words = [word for id_ in ids if _usable(word := tokenizer.decode([id_]))]
    if not words:
        raise Failure("The tokenizer knows no words: save the checkpoint's own next to it.")
    choose = random.Random(0)  # noqa: S311 - no secret
    texts = (
        tokenizer.decode([choose.choice(ids) for _ in range(choose.choice(_LENGTHS))]).strip()
        for _ in range(_COUNT)
    )
    return [" ".join(text.split()) for text in texts if _usable(text)]


def _usable(text: str) -> bool:
    return bool(text.strip()) and "\ufffd" not in text
