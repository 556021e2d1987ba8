"""Zero-shot classification: the labels come with the request, as Hugging Face's clients send it.

{"inputs": "A lovely film.", "parameters": {"candidate_labels": ["film", "food"]}}
-> [{"label": "film", "score": 0.97}, {"label": "food", "score": 0.03}]
                                                       a list of such lists for a list of texts

For a model of natural language inference: each label makes a hypothesis, such as "This example is
film.", and is scored by how much the text entails it. Source: `ZeroShotClassificationPipeline`.
"""

import re
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from sentiment.errors import RequestError, TooLarge, TooManyTexts, Validation, all_good
from sentiment.inference.activation import apply_activation
from sentiment.inference.options import Options
from sentiment.inference.prediction import Results
from sentiment.inference.tokens import Pair
from sentiment.protocol.body import Body, json_fields
from sentiment.protocol.dialects.operation import SOME, Operation, TextField, TextsField
from sentiment.protocol.dialects.ranking import rounded
from sentiment.protocol.request import Request, check_all, check_text
from sentiment.served_model import ServedModel
from sentiment.validation import validate

_EXAMPLE = '{"inputs": "...", "parameters": {"candidate_labels": ["...", "..."]}}'
_PLACE = "{}"
_TEMPLATE = "This example is {}."
_TEMPLATE_PATTERN = r"[^{}]*\{\}[^{}]*"
# These document what `_labels` checks.
_Name = Annotated[str, Meta(extra_json_schema={"pattern": r"[^\s\x1c-\x1f]"})]
_Names = Annotated[str, Meta(extra_json_schema={"pattern": r"[^\s,\x1c-\x1f]"})]
_Template = Annotated[str, Meta(extra_json_schema={"pattern": f"^{_TEMPLATE_PATTERN}$"})]


class ZeroShotParameters(Struct, forbid_unknown_fields=True):
    """`candidate_labels` may also be one string with commas.

    The scores of the labels of a text add up to 1, or with `multi_label` each is a probability of
    its own. `hypothesis_template` has one {} in the place of the label, and is "This example is
    {}." if it is missing or null.
    """

    candidate_labels: Annotated[list[_Name], Meta(extra_json_schema=SOME)] | _Names
    multi_label: bool | None = None
    hypothesis_template: _Template | None = None


class ZeroShotBody(Struct, forbid_unknown_fields=True):
    """One text or many. `options` of the hosted API are ignored."""

    inputs: TextField | TextsField
    parameters: ZeroShotParameters
    options: dict[str, Any] | None = None


class Candidate(Struct):
    """A label of the request and its score."""

    label: str
    score: float


def offered(model: ServedModel) -> bool:
    """Whether the model was trained on natural language inference, and so can do this."""
    return model.takes_pairs and _entailment(model) is not None


OPERATION = Operation(
    name="zero_shot",
    path="/predictions/{name}",
    summary="Hugging Face zero-shot classification",
    bodies=(ZeroShotBody,),
    answers=(list[Candidate], list[list[Candidate]]),
    example={"inputs": "A lovely film.", "parameters": {"candidate_labels": ["film", "food"]}},
    offered=offered,
)


def recognise(body: Body) -> bool:
    """JSON whose parameters have "candidate_labels"."""
    parameters = json_fields(body).get("parameters")
    return isinstance(parameters, dict) and "candidate_labels" in parameters


def decode(body: Body, model: ServedModel) -> Request:
    """Make a pair of each text and each label; raises RequestError, also for the first bad text."""
    if _entailment(model) is not None and not model.takes_pairs:
        raise Validation(
            "This archive scores single texts, so it cannot choose among candidate_labels: leave "
            "them out, or have the model packaged with 'make archive PAIRS=1'."
        )
    if not offered(model):
        raise Validation(
            'This model has no label that begins with "entail", so it cannot choose among '
            "candidate_labels: leave them out, or ask a model of natural language inference."
        )
    payload = validate(json_fields(body), ZeroShotBody, _EXAMPLE)
    check_all(payload.inputs, model.settings)
    texts = payload.inputs if isinstance(payload.inputs, list) else [payload.inputs]
    payload.parameters.candidate_labels = labels = _labels(payload.parameters.candidate_labels)
    template = payload.parameters.hypothesis_template
    if template is None:
        template = _TEMPLATE
    if not re.fullmatch(_TEMPLATE_PATTERN, template):
        raise Validation(
            '"hypothesis_template" needs one {} in the place of the label, and no other braces: '
            f'send one such as "{_TEMPLATE}".'
        )
    if len(texts) * len(labels) > model.settings.max_texts_per_request:
        raise TooManyTexts(
            f"Each text makes a pair with each label, {len(texts) * len(labels):,} in all; the "
            f"most in one request is {model.settings.max_texts_per_request:,}: send it in parts."
        )
    hypotheses = [template.replace(_PLACE, label) for label in labels]
    # Each label repeats the template, so that a small request could hold a lot.
    if (chars := sum(map(len, hypotheses))) > model.settings.max_chars_per_text:
        raise TooLarge(
            f"The hypotheses of all labels have {chars:,} characters together; the most is "
            f"{model.settings.max_chars_per_text:,}: send a shorter template, or fewer labels."
        )
    for hypothesis in hypotheses:
        try:
            check_text(hypothesis, model.settings)
        except RequestError as error:
            raise type(error)(f"A label in its hypothesis cannot be scored. {error}") from None
    pairs = [Pair(text, other) for text in texts for other in hypotheses]
    return Request(pairs, Options("none", truncation="only_first"), payload)


def encode(
    request: Request, results: Results, model: ServedModel
) -> list[Candidate] | list[list[Candidate]]:
    """The labels of the request, best first; one such list per text of a list."""
    rankings = ranked_labels(request, results, model)
    return rankings if isinstance(request.payload.inputs, list) else rankings[0]


def ranked_labels(request: Request, results: Results, model: ServedModel) -> list[list[Candidate]]:
    """The labels of the request for each text, best first; raises the first error of a pair."""
    labels = request.payload.parameters.candidate_labels
    logits = [list(result.scores.values()) for result in all_good(results, indexed=False)]
    scores = _scores(
        np.array(logits, np.float32).reshape(-1, len(labels), len(model.labels)),
        _entailment(model) or 0,
        multi_label=bool(request.payload.parameters.multi_label),
    )
    best_first = np.argsort(-scores, axis=1, kind="stable")
    return [
        [Candidate(labels[index], rounded(float(row[index]))) for index in order]
        for row, order in zip(scores, best_first, strict=True)
    ]


def _labels(candidates: list[str] | str) -> list[str]:
    if isinstance(candidates, str):
        candidates = [label.strip() for label in candidates.split(",") if label.strip()]
    if not candidates:
        raise Validation(f"There is no label in candidate_labels: send {_EXAMPLE}.")
    if not all(label.strip() for label in candidates):
        raise Validation("A label in candidate_labels is blank: send some words.")
    return candidates


def _scores(
    logits: NDArray[np.float32], entailment: int, *, multi_label: bool
) -> NDArray[np.float32]:
    """The scores [texts, candidates] from logits [texts, candidates, labels of the model].

    `entailment` is the index of that label; the other end of the labels is contradiction.
    """
    if not multi_label and logits.shape[1] > 1:
        return apply_activation(logits[..., entailment], "softmax")
    contradiction = -1 if entailment == 0 else 0
    return apply_activation(logits[..., [contradiction, entailment]], "softmax")[..., 1]


def _entailment(model: ServedModel) -> int | None:
    """The index of the label for entailment, if the model has one."""
    for index, label in enumerate(model.labels):
        if label.lower().startswith("entail"):
            return index
    return None
