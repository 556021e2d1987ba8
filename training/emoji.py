"""Teach a WordPiece tokenizer emoji, in places of the vocabulary that nothing uses.

BERT's vocabulary has no emoji, and its tokenizer makes one unknown token of a word and the emoji
behind it: "great😀" is lost whole. Here each emoji is a word of its own, and starts with the mean
embedding of the words of its Unicode name ("face with tears of joy").
"""

import json
import unicodedata
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

# Blocks of Unicode, the most useful first, since there are fewer places than emoji: faces, skin
# tones, people and hearts, letters of flags, faces again, symbols, everything else.
_BLOCKS = (
    range(0x1F600, 0x1F650),
    range(0x1F3FB, 0x1F4B0),
    range(0x1F1E6, 0x1F200),
    range(0x1F900, 0x1FA00),
    range(0x2600, 0x27C0),
    range(0x1F380, 0x1F3FB),
    range(0x1F4B0, 0x1F580),
    range(0x1F680, 0x1F700),
    range(0x1F300, 0x1F380),
)
_ANY_EMOJI = "[\u2600-\u27bf\U0001f000-\U0001faff]"


def with_emoji(tokenizer: Any) -> tuple[PreTrainedTokenizerFast, dict[str, int]]:
    """Return a tokenizer with emoji, and the new ones' ids; no id of another token changes."""
    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    if any(emoji in vocabulary for emoji in "😀😭"):
        return tokenizer, {}
    unused = [token for token in vocabulary if token.startswith("[unused")]
    emoji = [chr(code) for block in _BLOCKS for code in block if _is_named(chr(code))]
    new = [symbol for symbol in emoji if symbol not in vocabulary][: len(unused)]
    ids = {symbol: vocabulary.pop(place) for symbol, place in zip(new, unused, strict=False)}
    spec["model"]["vocab"] = vocabulary | ids
    split = {
        "type": "Split",
        "pattern": {"Regex": _ANY_EMOJI},
        "behavior": "Isolated",
        "invert": False,
    }
    spec["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [split, spec["pre_tokenizer"]],
    }
    result = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(spec)),
        model_max_length=tokenizer.model_max_length,
        **tokenizer.special_tokens_map,
    )
    return result, ids


def embed_by_name(model: Any, tokenizer: Any, ids: dict[str, int]) -> None:
    """Set the embedding of each emoji to the mean of those of the words of its name."""
    embeddings = model.get_input_embeddings().weight
    with torch.no_grad():
        for symbol, index in ids.items():
            words = tokenizer(unicodedata.name(symbol).lower(), add_special_tokens=False).input_ids
            embeddings[index] = embeddings[words].mean(dim=0)


def _is_named(symbol: str) -> bool:
    return unicodedata.category(symbol) in {"So", "Sk"} and bool(unicodedata.name(symbol, ""))
