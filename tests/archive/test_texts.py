"""Engines are compared on texts that suit the vocabulary, or on the user's own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from scripts.archive.texts import (
    CORPUS,
    comparison_texts,
    read_lines,
    save_texts,
    saved_texts,
    unknown_share,
)
from scripts.failure import Failure
from tests.vocabularies import CHINESE, DNA, byte_level, wordpiece

ENGLISH = read_lines(CORPUS)


def test_a_tokenizer_that_knows_english_is_compared_on_the_bundled_texts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert comparison_texts(byte_level("GPT2Tokenizer", "<|endoftext|>")) == ENGLISH
    assert not capsys.readouterr().out


@pytest.mark.parametrize("texts", [CHINESE, DNA])
def test_other_tokenizers_are_compared_on_texts_of_their_own_vocabulary(
    texts: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = wordpiece("BertTokenizer", texts=texts)
    made = comparison_texts(tokenizer)
    assert "make archive TEXTS=file" in capsys.readouterr().out
    assert len(made) > 100
    assert unknown_share(tokenizer, made) < 0.1
    assert max(len(tokenizer(text)["input_ids"]) for text in made) > 60
    assert comparison_texts(tokenizer) == made
    assert not any(token in text for text in made for token in tokenizer.all_special_tokens)


def test_the_users_texts_are_used_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(("", *DNA, "  ")), encoding="utf-8")
    assert comparison_texts(wordpiece("BertTokenizer", texts=DNA), path) == list(DNA)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "holds no text"),
        (b"\n \n", "holds no text"),
        (b"caf\xe9", "not UTF-8"),
        (b"Nothing that DNA is made of", "does not know most words"),
    ],
)
def test_a_file_of_texts_that_cannot_be_used_is_refused(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "texts.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Failure, match=reason):
        comparison_texts(wordpiece("BertTokenizer", texts=DNA), path)


def test_a_vocabulary_without_words_is_refused() -> None:
    import transformers

    empty: Any = transformers.BertTokenizer()
    with pytest.raises(Failure, match="knows no words"):
        comparison_texts(empty)


def test_saved_texts_are_read_back(tmp_path: Path) -> None:
    assert saved_texts(tmp_path) == ENGLISH
    save_texts(CHINESE, tmp_path)
    assert saved_texts(tmp_path) == list(CHINESE)
