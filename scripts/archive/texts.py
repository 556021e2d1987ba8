"""The texts on which the engines are compared: the bundled ones, or those of the user.

Texts that a vocabulary knows next to nothing of would compare unknown tokens alone. Then they are
made from the vocabulary.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.failure import Failure

# Sentences and whole reviews, one per line, written for this.
CORPUS = Path(__file__).with_name("corpus.txt")
# Largest share of words that the tokenizer may not know.
MAX_UNKNOWN = 0.2
# How many texts are made from a vocabulary, and their lengths in tokens.
_COUNT, _LENGTHS = 150, (1, 2, 4, 8, 16, 32, 64, 128)
# Next to a checkpoint while it is packaged: the texts to compare its engines on, one per line.
SAVED_TEXTS = "texts.txt"


def comparison_texts(tokenizer: Any, path: Path | None = None) -> list[str]:
    """The texts in `path`, one per line, or the bundled ones, or some of the vocabulary's tokens.

    `tokenizer` is a fast one of `transformers`. Raises Failure where `path` is no use.
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
        "the engines are compared on random tokens of its vocabulary. Texts of your own show more: "
        "make archive TEXTS=file, with one text per line.",
        flush=True,
    )
    return vocabulary_texts(tokenizer)


def save_texts(texts: Sequence[str], folder: Path) -> Path:
    """Put `texts` next to the checkpoint in `folder`, for `saved_texts`; returns the file."""
    path = folder / SAVED_TEXTS
    path.write_text("\n".join(texts), encoding="utf-8")
    return path


def saved_texts(folder: Path) -> list[str]:
    """The texts next to the checkpoint in `folder`, or the bundled ones."""
    path = folder / SAVED_TEXTS
    return read_lines(path if path.exists() else CORPUS)


def read_lines(path: Path) -> list[str]:
    """The lines of a file of texts that are not empty; raises Failure where there are none."""
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
    """Share of the words, as whitespace separates them, with a token that stands for anything."""
    words = list({word for text in texts for word in text.split()})
    encodings = tokenizer(words, add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    return sum(not ids or unknown in ids for ids in encodings) / max(len(words), 1)


def vocabulary_texts(tokenizer: Any) -> list[str]:
    """Texts of random tokens that are no special ones; the same ones for the same vocabulary."""
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
