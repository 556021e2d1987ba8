"""Unusual texts that show differences between tokenizers: anything that a user may send."""

from collections.abc import Sequence
from typing import Any

_PLAIN = (
    "good",
    "The acting is wooden and the plot makes no sense at all.",
    "  leading and trailing spaces  ",
    "tabs\tand\nnew\r\nlines",
    "UPPER lower MiXeD",
    "caf\u00e9 na\u00efve \u00c5ngstr\u00f6m e\u0301 \ufb01",
    "\u7535\u5f71\u5f88\u597d\u770b\u3002 \u3053\u306e\u6620\u753b \uc88b\uc544\uc694",
    "\u0647\u0630\u0627 \u0641\u064a\u0644\u0645 \u05e1\u05e8\u05d8 \u0e2b\u0e19\u0e31\u0e07",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f",
    "\u200b\ufeff\u00ad\u2028\u3000\u00a0 invisible",
    "nul \x00 bell \x07 escape \x1b \x7f",
    "it's don't we'll , . ! ?? ... --- \u201cquoted\u201d \u2019",
    "ACGTACGTNNACGTTTGA",
    "a" * 300,
    "1,234.56 50% $9.99 http://example.org/?q=1 @user #tag",
    "[CLS] [SEP] <s> </s> <pad> <unk> [MASK] <mask> <|endoftext|>",
)


def odd_texts(tokenizer: Any, texts: Sequence[str]) -> list[str]:
    """Odd texts for a tokenizer of `transformers`, some with its special tokens typed as text.

    The last two are made of `texts` and longer than any limit: they show which side is truncated.
    """
    plain = texts[0]
    special = [str(token) for token in tokenizer.all_special_tokens]
    added = [str(token) for token in tokenizer.get_added_vocab() if str(token) not in special]
    typed = [
        text
        for token in [*special[:10], *added[:5]]
        for text in (token, f"{token} {plain}", f"{plain}{token}{plain} {token}")
    ]
    everything = " ".join(texts)
    long = (everything * (16_000 // max(len(everything), 1) + 1))[:16_000]
    return [*_PLAIN, *typed, long, long[::-1]]
