"""Small tokenizers of every kind, trained on texts of the corpus."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from scripts.archive.texts import CORPUS

CHINESE = ("这部电影很好看。", "剧情无聊。", "我不喜欢这个故事的结尾。")
DNA = ("ACGTTGCA", "GATTACA", "TTGACCGTA", "CCGGAATT")
Pieces = list[tuple[str, float]]


def _texts() -> list[str]:
    return CORPUS.read_text(encoding="utf-8").splitlines()[:150]


def wordpiece(
    kind: str, specials: str = "[UNK] [PAD] [CLS] [SEP] [MASK]", texts: Sequence[str] = ()
) -> Any:
    """The tokenizer class `kind` with whole words and parts of words."""
    unknown, *others = specials.split()
    model = Tokenizer(models.WordPiece(unk_token=unknown))
    model.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=400, special_tokens=[unknown, *others], show_progress=False
    )
    model.train_from_iterator([text.lower() for text in texts or _texts()], trainer)
    return getattr(transformers, kind)(vocab=model.get_vocab())


def byte_level(kind: str, specials: str = "<s> <pad> </s> <unk> <mask>") -> Any:
    """The tokenizer class `kind` with merged bytes (BPE)."""
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=specials.split(),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    return _merged(kind, model, trainer)


def byte_fallback(kind: str, specials: str) -> Any:
    """The tokenizer class `kind` with merged characters (BPE), and bytes for unknown ones."""
    model = Tokenizer(models.BPE(byte_fallback=True))
    model.pre_tokenizer = pre_tokenizers.Metaspace()
    every_byte = [f"<0x{number:02X}>" for number in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=[*specials.split(), *every_byte], show_progress=False
    )
    return _merged(kind, model, trainer)


def _merged(kind: str, model: Tokenizer, trainer: Any) -> Any:
    model.train_from_iterator(_texts(), trainer)
    trained = json.loads(model.to_str())["model"]
    merges = [tuple(merge) for merge in trained["merges"]]
    return getattr(transformers, kind)(vocab=trained["vocab"], merges=merges)


def pieces(specials: str, unknown: str) -> Pieces:
    """A unigram vocabulary: pieces with their log-probabilities."""
    model = Tokenizer(models.Unigram())
    model.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=specials.split(), unk_token=unknown, show_progress=False
    )
    model.train_from_iterator(_texts(), trainer)
    return [tuple(piece) for piece in json.loads(model.to_str())["model"]["vocab"]]


def unigram(kind: str, specials: str, unknown: str = "<unk>") -> Any:
    """The tokenizer class `kind` with unigram pieces, as sentencepiece makes them."""
    return getattr(transformers, kind)(vocab=pieces(specials, unknown))


class SentencepieceOnly:
    """A tokenizer saved as `spm.model` alone, as in checkpoints of DeBERTa-v3 and XLM-R."""

    pad_token_id, eos_token_id = 0, 2

    def __init__(self, kind: str, specials: str, unknown: str) -> None:
        self._kind, self._pieces, self._unknown = kind, pieces(specials, unknown), unknown

    def __len__(self) -> int:
        return len(self._pieces) + 1  # its class adds a mask token

    def save_pretrained(self, folder: Path) -> None:
        """Write the model file of sentencepiece, and a configuration that names the class."""
        # Not the copy in transformers.utils, whose declarations collide with these.
        from sentencepiece import sentencepiece_model_pb2

        protocol: Any = sentencepiece_model_pb2
        model = protocol.ModelProto()
        model.trainer_spec.model_type = protocol.TrainerSpec.UNIGRAM
        model.trainer_spec.unk_id = [piece for piece, _ in self._pieces].index(self._unknown)
        for number, (piece, score) in enumerate(self._pieces):
            kind = 1 if number > 3 else 2 if piece == self._unknown else 3
            model.pieces.add(piece=piece, score=score, type=kind)
        (folder / "spm.model").write_bytes(model.SerializeToString())
        settings = {"tokenizer_class": self._kind}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


Vocabulary = Callable[[], Any]
