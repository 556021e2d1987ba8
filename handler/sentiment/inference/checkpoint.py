"""The facts of a checkpoint that serving needs, read from its `config.json`.

Read as JSON, so that a worker whose engine does not need `transformers` need not import it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

# One thing, by the names that architectures give it.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_seq_len")
# Those that count positions from behind the padding token's id, so that so many fewer are left.
# Source: `create_position_ids_from_input_ids` in their modules of `transformers`.
_FROM_BEHIND_PADDING = {
    *("camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke"),
    *("markuplm", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl"),
    "xmod",
}


@dataclass(frozen=True)
class Checkpoint:
    """`labels` are in the order of the logits.

    `max_positions`, the most tokens that its position embeddings have places for, is None where
    there is no limit.
    """

    labels: tuple[str, ...]
    problem_type: str | None
    pad_token_id: int
    max_positions: int | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `save_pretrained` wrote, with the defaults of `PreTrainedConfig`."""
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        names = config.get("id2label")
        if names is None:  # which says that there are two labels, unless it says how many
            names = {index: f"LABEL_{index}" for index in range(config.get("num_labels") or 2)}
        by_index = {int(index): str(name) for index, name in names.items()}
        positions = [config[name] for name in _POSITIONS if (config.get(name) or 0) > 0]
        pad = config.get("pad_token_id")
        if config.get("model_type") in _FROM_BEHIND_PADDING:
            first = 2 if pad is None else pad + 1  # 1 is the id where they do not say it
            positions = [each - first for each in positions]
        return cls(
            labels=tuple(by_index[index] for index in range(len(by_index))),
            problem_type=config.get("problem_type"),
            # Padding is masked out; a checkpoint without a pad token can be padded with any.
            pad_token_id=pad or 0,
            max_positions=min(positions, default=None),
        )
