"""The forms in which a classifier can be exported: packed, or padded."""

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sentiment.inference.engines.engine import arrays

# What masks a score of attention, before softmax: fp16 holds it, and its exponential is 0.
_MASKED = -1e4
# Two ways to sum up the same numbers.
_TOLERANCE = 1e-4

Inputs = dict[str, torch.Tensor]


class Padded(torch.nn.Module):
    """One text a row. Its logits are its one output, for others may be a cache or None."""

    said = "one text a row"
    inputs = ("input_ids", "attention_mask")

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Ids and mask, [rows, width] -> logits [rows, labels]."""
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


class Packed(torch.nn.Module):
    """Several texts a row, of which each attends to itself alone.

    Made for encoders whose head reads the first token: behind the last layer, each text is cut down
    to that one. Positions are counted from where the architecture counts from.
    """

    said = "several texts a row"
    inputs = ("input_ids", "attention_mask", "position_ids", "first")

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        # RoBERTa and its kin count from behind the padding's own position.
        before = getattr(model.base_model.embeddings, "padding_idx", None)
        self.start = 0 if before is None else before + 1

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        first: torch.Tensor,
    ) -> torch.Tensor:
        """What `engine.arrays` makes -> logits [texts, labels]."""

        def keep_first(module: Any, args: Any, output: Any) -> Any:
            hidden = output.last_hidden_state.flatten(0, 1)  # [rows * width, size]
            output.last_hidden_state = hidden[first].unsqueeze(1)
            return output

        base = self.model.base_model
        encoder = base.encoder if hasattr(base, "encoder") else base.transformer
        same = attention_mask[:, None, :, None] == attention_mask[:, None, None, :]
        hook = encoder.register_forward_hook(keep_first)
        try:
            logits: torch.Tensor = self.model(
                input_ids=input_ids,
                attention_mask=torch.where(same, 0.0, _MASKED),
                position_ids=position_ids + self.start,
            ).logits
        finally:
            hook.remove()
        return logits


def forms(model: Any, pad: int) -> list[tuple[Padded | Packed, Inputs]]:
    """The forms in which `model` can be exported, the better one first.

    Each with inputs to trace it with: more than one of all, else it is taken for constant. It can
    be packed if its logits are then what they are for each text alone.
    """
    ids = np.array([number for number in range(30) if number != pad], np.int32)
    a, b, c, d, e = np.split(ids, [5, 11, 15, 20])
    padded = Padded(model)
    found: list[tuple[Padded | Packed, Inputs]] = [(padded, _inputs(padded, [[a], [b], [c]], pad))]
    # An architecture may make anything of arguments that it was not written for.
    with suppress(Exception), torch.no_grad():
        packed = Packed(model)
        inputs = _inputs(packed, [[a, b], [c, d], [e]], pad)
        alone = [padded(**_inputs(padded, [[text]], pad)) for text in (a, b, c, d, e)]
        if torch.allclose(packed(**inputs), torch.cat(alone), atol=_TOLERANCE):
            found.insert(0, (packed, inputs))
    return found


def _inputs(form: Padded | Packed, rows: list[list[NDArray[np.int32]]], pad: int) -> Inputs:
    read = arrays(rows, pad, step=1)
    return {name: torch.from_numpy(read[name]) for name in form.inputs}
