"""What one request asks for, besides the labels of its texts."""

from msgspec import Struct

from sentiment.inference.activation import Activation
from sentiment.inference.pairs import Truncation


class Options(Struct, frozen=True):
    """`activation` computes scores from logits; None is the checkpoint's own.

    `labels` are the labels to choose from; None is all. `max_tokens` truncates each text to that
    many tokens; None reads all of it, in windows. `sentences` scores each sentence as well.
    `explain` weighs each word; its request may score up to `explain_tokens` tokens for each text.
    `truncation` says which text of a pair is cut.
    """

    activation: Activation | None = None
    labels: tuple[str, ...] | None = None
    max_tokens: int | None = None
    sentences: bool = False
    explain_tokens: int = 0
    truncation: Truncation = "longest_first"


DEFAULT = Options()
