"""What is served: the model by name and version, its labels, and the handler's settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from sentiment.settings import Settings


@dataclass(frozen=True)
class ServedModel:
    """`labels` are in the model's order."""

    name: str
    version: str
    labels: Sequence[str]
    settings: Settings
