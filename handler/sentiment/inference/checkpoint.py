"""The facts about a checkpoint that serving needs, read from its `config.json`.

Read as JSON, so that a worker imports `transformers` only for an engine that needs it.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

CALIBRATION = "calibration.json"
# Written by the build for a checkpoint that takes pairs of texts.
PAIRS = "pairs.json"
# The maximum length, under each architecture's name for it.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
# Architectures whose position ids start at pad_token_id + 1, which leaves that many fewer.
# Source: `create_position_ids_from_input_ids` in their modules of `transformers`.
_POSITIONS_AFTER_PADDING = {
    *("camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke"),
    *("markuplm", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"),
    "xmod",
}


@dataclass(frozen=True)
class Checkpoint:
    """`labels` are in the order of the logits.

    `pad_token_id` pads short rows; it is 0 for a checkpoint without one. `max_positions` is the
    number of tokens that the position embeddings allow; None means no limit. Logits are divided by
    `temperature` before they become scores (Guo et al. 2017); `calibration` is what `make
    calibrate` measured when it fitted it, None for a checkpoint that was not calibrated.
    `takes_pairs` tells whether it scores pairs of texts, `token_types` whether it tells the two
    apart by the types of tokens.
    """

    labels: tuple[str, ...]
    problem_type: str | None
    pad_token_id: int
    max_positions: int | None
    calibration: dict[str, Any] | None = None
    takes_pairs: bool = False
    token_types: bool = False

    @property
    def temperature(self) -> float:
        """1 for a checkpoint that was not calibrated."""
        return float(self.calibration["temperature"]) if self.calibration else 1.0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the config in `folder`, with the defaults of `PreTrainedConfig`."""
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = config.get("id2label")
        if names is None:  # the library's default: two labels, or `num_labels` of them
            names = {index: f"LABEL_{index}" for index in range(config.get("num_labels") or 2)}
        by_index = {int(index): str(name) for index, name in names.items()}
        # A model for texts and images has these settings in `text_config`.
        inner: dict[str, Any] = config.get("text_config") or {}
        facts = inner | {name: value for name, value in config.items() if value is not None}
        positions = [facts[name] for name in _POSITIONS if (facts.get(name) or 0) > 0]
        pad = facts.get("pad_token_id")
        if config.get("model_type") in _POSITIONS_AFTER_PADDING:
            first = 2 if pad is None else pad + 1  # the default pad_token_id is 1
            positions = [limit - first for limit in positions]
        pairs = _optional(folder / PAIRS)
        return cls(
            labels=tuple(by_index[index] for index in range(len(by_index))),
            problem_type=config.get("problem_type"),
            pad_token_id=max(pad or 0, 0),
            max_positions=min(positions, default=None),
            calibration=_optional(folder / CALIBRATION),
            takes_pairs=pairs is not None,
            token_types=bool(pairs and pairs["token_types"]),
        )


def _optional(path: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def weights_hash(folder: Path) -> str | None:
    """The SHA-256 of `model.safetensors` in hexadecimal; None if the weights are in other files."""
    try:
        with (folder / "model.safetensors").open("rb") as weights:
            return hashlib.file_digest(weights, "sha256").hexdigest()
    except FileNotFoundError:
        return None
