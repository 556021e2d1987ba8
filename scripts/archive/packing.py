"""The variants in which a classifier can be exported, with one or several texts per row.

Each is a module around the checkpoint's model. Its `forward` takes those arrays of
`sentiment.inference.engines.engine.arrays` that `inputs` names, and returns logits [texts, labels].
The caller measures whether a variant computes what the checkpoint computes.
"""

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sentiment.inference.engines.engine import arrays
from sentiment.inference.tokens import SECOND

# Added to a masked attention score before softmax: fp16 can hold it, and its exponential is 0.
_MASKED = -1e4
# Float tolerance for reordered sums.
_TOLERANCE = 1e-4

Inputs = dict[str, torch.Tensor]
# Only for a model that tells the texts of a pair apart by it.
_TYPES = "token_type_ids"


class Padded(torch.nn.Module):
    """One text per row. Returns only the logits, without caches or hidden states."""

    description = "one text per row"
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")

    def __init__(self, model: Any, *, token_types: bool = False) -> None:
        super().__init__()
        self.model = model
        if token_types:
            self.inputs = (*self.inputs, _TYPES)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Ids, mask and types, [rows, width] -> logits [rows, labels]."""
        mask = {"attention_mask": attention_mask}
        return self._logits({"input_ids": input_ids, **mask, **_types(token_type_ids)})

    def _logits(self, inputs: Inputs) -> torch.Tensor:
        logits: torch.Tensor = self.model(**inputs).logits
        return logits


class LastToken(Padded):
    """One text per row, for decoders without a pad token.

    Their own head takes one row per call, since it finds the end of a text by the pad token. This
    one finds it by the attention mask.
    """

    def _logits(self, inputs: Inputs) -> torch.Tensor:
        hidden = self.model.base_model(
            **inputs, use_cache=False
        ).last_hidden_state  # [rows, width, size]
        rows = torch.arange(hidden.shape[0])
        last = inputs["attention_mask"].sum(1) - 1
        logits: torch.Tensor = self.model.score(hidden[rows, last])
        return logits


class LastEndOfSequence(Padded):
    """One text per row, for encoder-decoders, whose head reads the last end-of-sequence token.

    Their own head gathers these tokens over all rows. If a user types one, it reads the wrong
    tokens of the other rows.
    """

    def _logits(self, inputs: Inputs) -> torch.Tensor:
        input_ids = inputs["input_ids"]
        decoder: Inputs = {}
        if hasattr(self.model, "_shift_right"):  # T5's base model does not do it itself
            decoder = {"decoder_input_ids": self.model._shift_right(input_ids)}
        hidden = self.model.base_model(
            **inputs, **decoder, use_cache=False
        ).last_hidden_state  # [rows, width, size]
        places = torch.arange(input_ids.shape[1])
        ends = torch.where(input_ids == self.model.config.eos_token_id, places, 0)
        rows = torch.arange(hidden.shape[0])
        logits: torch.Tensor = self.model.classification_head(hidden[rows, ends.amax(1)])
        return logits


class Packed(torch.nn.Module):
    """Several texts per row, each of which attends only to itself (sequence packing).

    For encoders whose head reads the first token: after the last layer only each text's first token
    is kept.
    """

    description = "several texts per row"
    inputs: tuple[str, ...] = ("input_ids", "segment_ids", "position_ids", "first_token")

    def __init__(self, model: Any, *, token_types: bool = False) -> None:
        super().__init__()
        self.model = model
        if token_types:
            self.inputs = (*self.inputs, _TYPES)
        # RoBERTa and its relatives give padding tokens no position, even if a user typed them, and
        # start positions at padding_idx + 1.
        self.padding_idx: int | None = getattr(model.base_model.embeddings, "padding_idx", None)

    def forward(
        self,
        input_ids: torch.Tensor,
        segment_ids: torch.Tensor,
        position_ids: torch.Tensor,
        first_token: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The arrays of `arrays` -> logits [texts, labels]."""

        def keep_first(module: Any, args: Any, output: Any) -> Any:
            hidden = output.last_hidden_state.flatten(0, 1)  # [rows * width, size]
            output.last_hidden_state = hidden[first_token].unsqueeze(1)
            return output

        if self.padding_idx is not None:
            position_ids = skip_padding(input_ids, position_ids, self.padding_idx)
        base = self.model.base_model
        encoder = base.encoder if hasattr(base, "encoder") else base.transformer
        same_text = segment_ids[:, None, :, None] == segment_ids[:, None, None, :]
        hook = encoder.register_forward_hook(keep_first)
        try:
            logits: torch.Tensor = self.model(
                input_ids=input_ids,
                attention_mask=torch.where(same_text, 0.0, _MASKED),
                position_ids=position_ids,
                **_types(token_type_ids),
            ).logits
        finally:
            hook.remove()
        return logits


def skip_padding(
    input_ids: torch.Tensor, position_ids: torch.Tensor, padding_idx: int
) -> torch.Tensor:
    """Positions as RoBERTa counts them, per text of packed rows; all arrays are [rows, width].

    A padding token has the position `padding_idx`, and other tokens are counted from
    `padding_idx + 1`. Source, for one text per row: `create_position_ids_from_input_ids` in
    `transformers`.
    """
    counts = torch.ne(input_ids, padding_idx).long()
    before = counts.cumsum(1) - counts  # in the row
    starts = torch.arange(input_ids.shape[1]) - position_ids
    return (before - before.gather(1, starts) + 1) * counts + padding_idx


Variant = Padded | Packed


def variants(
    model: Any, pad_token_id: int, *, token_types: bool = False
) -> list[tuple[Variant, Inputs]]:
    """The variants in which `model` may be exported, the fastest first.

    Each comes with inputs to trace it. They have more than one row, text and token, since the
    exporter treats a size of 1 as constant. `Packed` is included only if its logits equal those of
    each text alone. `token_types` tells whether the model tells the texts of a pair apart by them.
    """
    ids = np.array([number for number in range(30) if number != pad_token_id], np.int32)
    if token_types:
        ids[::2] += SECOND
    a, b, c, d, e = np.split(ids, [5, 11, 15, 20])
    padded = _padded(model, token_types=token_types)
    result: list[tuple[Variant, Inputs]] = [
        (padded, _inputs(padded, [[a], [b], [c]], pad_token_id))
    ]
    # An architecture may raise anything for arguments that it was not written for.
    with suppress(Exception), torch.no_grad():
        packed = Packed(model, token_types=token_types)
        inputs = _inputs(packed, [[a, b], [c, d], [e]], pad_token_id)
        alone = [padded(**_inputs(padded, [[text]], pad_token_id)) for text in (a, b, c, d, e)]
        if torch.allclose(packed(**inputs), torch.cat(alone), atol=_TOLERANCE):
            result.insert(0, (packed, inputs))
    return result


def _padded(model: Any, *, token_types: bool) -> Padded:
    pad_token_id = model.config.get_text_config().pad_token_id
    if model.config.is_encoder_decoder and hasattr(model, "classification_head"):
        return LastEndOfSequence(model, token_types=token_types)
    if hasattr(model, "score") and (pad_token_id is None or pad_token_id < 0):
        return LastToken(model, token_types=token_types)
    return Padded(model, token_types=token_types)


def _types(token_type_ids: torch.Tensor | None) -> Inputs:
    return {} if token_type_ids is None else {_TYPES: token_type_ids}


def _inputs(variant: Variant, rows: list[list[NDArray[np.int32]]], pad_token_id: int) -> Inputs:
    inputs = arrays(rows, pad_token_id, pad_to_multiple_of=1)
    return {name: torch.from_numpy(inputs[name]) for name in variant.inputs}
