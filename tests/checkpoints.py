"""Small untrained checkpoints."""

import json
from pathlib import Path
from typing import Any

MODEL = Path(__file__).resolve().parents[1] / "model"
TINY: dict[str, Any] = {
    "vocab_size": 30_522,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 8,
}


def checkpoint(folder: Path, **changes: Any) -> Path:
    """Save a tiny untrained classifier with the default model's tokenizer; `changes` its config."""
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    config = BertConfig(
        **TINY,
        max_position_embeddings=64,
        **changes,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(MODEL).save_pretrained(folder)
    return folder


def unexportable(folder: Path) -> Path:
    """Save one whose attention depends on the values of the mask, which no exporter can trace."""
    from transformers import AutoTokenizer, LongformerConfig, LongformerForSequenceClassification

    config = LongformerConfig(
        **TINY,
        attention_window=8,
        max_position_embeddings=600,
        pad_token_id=0,
    )
    LongformerForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(MODEL).save_pretrained(folder)
    return folder


def edit(path: Path, **changes: Any) -> None:
    """Change entries of a JSON file of a checkpoint; None becomes null."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")
