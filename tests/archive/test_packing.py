"""Each architecture is exported in the right variant, packed or padded."""

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from scripts.archive.packing import Packed, Padded, variants
from sentiment.inference.engines.engine import arrays
from tests.checkpoints import TINY

OTHER = {"vocab_size": 30_522, "pad_token_id": 0}


def untrained(kind: str, **config: Any) -> Any:
    """A classifier whose weights are large enough for one token to matter."""
    torch.manual_seed(0)
    config["initializer_range"] = 1.0
    return AutoModelForSequenceClassification.from_config(
        AutoConfig.for_model(kind, **config), attn_implementation="eager"
    ).eval()


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("bert", TINY),
        ("roberta", TINY | {"pad_token_id": 1}),
        ("xlm-roberta", TINY | {"pad_token_id": 1}),
        ("camembert", TINY | {"pad_token_id": 1}),
        ("mpnet", TINY | {"pad_token_id": 1}),
        ("electra", TINY | {"embedding_size": 8}),
        ("albert", TINY | {"embedding_size": 8}),
        ("distilbert", OTHER | {"dim": 8, "hidden_dim": 8, "n_layers": 1, "n_heads": 1}),
    ],
)
def test_encoders_with_a_head_on_the_first_token_are_packed(
    kind: str, config: dict[str, Any]
) -> None:
    model = untrained(kind, **config)
    pad = config.get("pad_token_id", 0)
    (variant, _), _ = variants(model, pad)
    assert isinstance(variant, Packed)
    texts = [np.arange(5 * i + 10, 6 * i + 12, dtype=np.int32) for i in range(6)]
    rows = [texts[:3], texts[3:5], texts[5:]]
    read = arrays(rows, pad, 16)
    inputs = {name: torch.from_numpy(read[name]) for name in variant.inputs}
    with torch.inference_mode():
        packed = variant(**inputs)
        alone = [model(input_ids=torch.from_numpy(text[None]).long()).logits for text in texts]
    torch.testing.assert_close(packed, torch.cat(alone), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("convbert", TINY | {"embedding_size": 8}),  # a convolution reads across texts
        ("deberta-v2", TINY),
        ("modernbert", TINY | {"pad_token_id": 0, "classifier_pooling": "mean"}),
        ("gpt2", OTHER | {"n_embd": 8, "n_layer": 1, "n_head": 1}),  # reads the last token
    ],
)
def test_other_architectures_are_exported_padded(kind: str, config: dict[str, Any]) -> None:
    ((variant, inputs),) = variants(untrained(kind, **config), pad_token_id=0)
    assert isinstance(variant, Padded)
    assert variant(**inputs).shape == (3, 2)


@pytest.mark.parametrize("leak", ["attention", "head"])
def test_a_model_whose_texts_see_each_other_is_not_packed(
    monkeypatch: pytest.MonkeyPatch, leak: str
) -> None:
    model = untrained("bert", **TINY)
    if leak == "attention":
        layer = model.base_model.encoder.layer[0].attention.self
        forward = layer.forward
        monkeypatch.setattr(
            layer, "forward", lambda hidden, mask, **kw: forward(hidden, None, **kw)
        )
    else:
        pooler = model.base_model.pooler
        monkeypatch.setattr(pooler, "forward", lambda hidden: hidden.mean(1).tanh())
    ((variant, _),) = variants(model, pad_token_id=0)
    assert isinstance(variant, Padded)
