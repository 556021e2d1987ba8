"""Whether a checkpoint takes pairs of texts, and how it tells the two apart.

Nothing in a checkpoint says that it was trained on pairs. The labels of natural language inference
do; for others, the user does.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts.failure import Failure, first_line

# The handler reads it under this name.
PAIRS = "pairs.json"
# Texts of which any vocabulary knows some tokens.
_FIRST, _SECOND = "A good film. ACGT \u597d", "It is good. GATT \u597d"


def is_inference(labels: Sequence[str]) -> bool:
    """Whether these are the labels of natural language inference, which has two texts."""
    return any(label.lower().startswith("entail") for label in labels)


def save_pairs(model: str, checkpoint: Any, tokenizer: Any, folder: Path) -> None:
    """Write `pairs.json` to `folder`: whether the logits depend on the types of tokens.

    `checkpoint` and `tokenizer` are those of `transformers`. Raises Failure if they take no pairs.
    """
    import torch

    try:
        inputs = tokenizer(_FIRST, _SECOND, return_tensors="pt")
        types = inputs.get("token_type_ids")
        if types is not None and int(types.max()) > 1:
            raise ValueError("its tokens have more than two types")
        with torch.inference_mode():
            expected = checkpoint.eval()(**inputs).logits
            ids, mask = inputs["input_ids"], inputs["attention_mask"]
            without = checkpoint(input_ids=ids, attention_mask=mask).logits
    except Exception as error:
        reason = first_line(error).rstrip(".")
        raise Failure(f"{model} cannot score pairs of texts: {reason}.") from None
    token_types = not torch.allclose(without, expected, rtol=1e-4, atol=1e-6)
    (folder / PAIRS).write_text(json.dumps({"token_types": token_types}), encoding="utf-8")
