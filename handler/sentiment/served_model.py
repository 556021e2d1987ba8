"""The model that is served: its name, version and labels, and the handler's settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from sentiment.settings import Settings


@dataclass(frozen=True)
class ServedModel:
    """`labels` are in the order of the logits.

    `min_tokens` is one more than the special tokens that the model adds to every text;
    `takes_pairs` tells whether it scores pairs of texts.
    """

    name: str
    version: str
    labels: Sequence[str]
    settings: Settings
    min_tokens: int = 1
    takes_pairs: bool = False
