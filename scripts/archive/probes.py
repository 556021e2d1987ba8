"""Texts that probe a checkpoint: of many lengths, and with its special tokens typed as text.

They are made of the checkpoint's vocabulary, so they suit any language.
"""

import json
import random
from pathlib import Path

import tokenizers

# Numbers of words per text; one text is longer than the model takes.
_LENGTHS = (1, 2, 4, 9, 20, 45, 100)
# Most special tokens that are probed.
_SPECIALS = 10


def probes(model_dir: Path, max_tokens: int) -> list[str]:
    """The probes for the checkpoint in `model_dir`, which scores `max_tokens`; deterministic."""
    draw = random.Random(0)  # noqa: S311
    tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    specials = special_tokens(model_dir)
    words = _words(tokenizer, draw)

    def text(length: int) -> list[str]:
        return [draw.choice(words) for _ in range(length)]

    texts: list[list[str]] = []
    for length in (*(length for length in _LENGTHS if length < max_tokens), 2 * max_tokens):
        texts += [text(length), text(length)]
        if specials:
            texts.append([draw.choice((word, *specials)) for word in text(length)])
    for special in specials:
        texts += [
            [special],
            [*text(3), special, *text(3)],
            [special] * 4 + text(5),
            text(8) + [special] * 2,
        ]
    return [" ".join(parts) for parts in texts]


def special_tokens(model_dir: Path) -> list[str]:
    """The special tokens that a user may type, at most ten; those with a role come first."""
    path = model_dir / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    named = [value for name, value in sorted(settings.items()) if name.endswith("_token")]
    tokenizer = tokenizers.Tokenizer.from_file(str(model_dir / "tokenizer.json"))
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    contents = [value.get("content") if isinstance(value, dict) else value for value in named]
    known = [token for token in contents if isinstance(token, str) and token in added]
    return list(dict.fromkeys([*known, *added]))[:_SPECIALS]


def _words(tokenizer: tokenizers.Tokenizer, draw: random.Random) -> list[str]:
    """Words of the vocabulary, decoded from random tokens."""
    ids = list(tokenizer.get_vocab(with_added_tokens=False).values())
    decoded = (
        tokenizer.decode([number]).strip() for number in draw.sample(ids, min(300, len(ids)))
    )
    return [word for word in decoded if word] or ["a"]
