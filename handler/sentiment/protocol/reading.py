"""The options of the native dialects: which labels, how sure, and in what detail."""

from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from sentiment.errors import RequestError, Validation
from sentiment.inference.options import Options
from sentiment.inference.tokens import Text
from sentiment.protocol.request import Request
from sentiment.served_model import ServedModel

# The label of a text whose best score is below the threshold.
UNCERTAIN = "UNCERTAIN"
# Labels that an error names.
_MOST_NAMED = 20

_Label = Annotated[str, Meta(extra_json_schema={"enum": "labels"})]
_LABELS = {"minItems": 1, "uniqueItems": True}


class Reading(Struct, forbid_unknown_fields=True, kw_only=True):
    """How texts are read; null is the same as leaving a field out.

    `labels` are the labels to choose from, whose scores add up to 1. A best score below `threshold`
    makes the label UNCERTAIN. `detail` scores each sentence as well. `explain` weighs each word.
    """

    labels: Annotated[list[_Label], Meta(extra_json_schema=_LABELS)] | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] | None = None
    detail: Literal["sentences"] | None = None
    explain: bool | None = None

    def request(self, texts: Sequence[Text | RequestError], model: ServedModel) -> Request:
        """The request for `texts`, read like this; raises Validation for an unknown label."""
        options = Options(labels=self._labels(model), sentences=self.detail is not None)
        request = Request(texts, options, payload=self)
        return request.explained(model.settings) if self.explain else request

    def least(self, model: ServedModel) -> float:
        """The score below which a label is UNCERTAIN."""
        return model.settings.threshold if self.threshold is None else self.threshold

    def _labels(self, model: ServedModel) -> tuple[str, ...] | None:
        """The labels to choose from in the model's order; None is all."""
        if self.labels is None:
            return None
        wanted = set(self.labels)
        if not wanted or len(wanted) < len(self.labels) or not wanted <= set(model.labels):
            some = ", ".join(f'"{label}"' for label in model.labels[:_MOST_NAMED])
            more = ", …" if len(model.labels) > _MOST_NAMED else ""
            raise Validation(f'Choose "labels" from {some}{more}, each at most once.')
        return tuple(label for label in model.labels if label in wanted)
