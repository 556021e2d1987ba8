"""Logits -> scores, as `transformers`' text-classification pipeline computes them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Activation = Literal["softmax", "sigmoid", "none"]


def activation_for(problem_type: str | None, labels: int) -> Activation:
    """Softmax; sigmoid for multi-label and one-logit checkpoints; none for regression.

    Source of the rule: `TextClassificationPipeline.postprocess`.
    """
    if problem_type == "regression":
        return "none"
    if problem_type == "multi_label_classification" or labels == 1:
        return "sigmoid"
    return "softmax"


def apply_activation(logits: NDArray[np.float32], activation: Activation) -> NDArray[np.float32]:
    """Scores of logits [..., labels], with the same shape and dtype."""
    if activation == "none":
        return logits
    if activation == "sigmoid":
        return np.exp(-np.logaddexp(np.float32(0), -logits))
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    scores: NDArray[np.float32] = exponents / exponents.sum(axis=-1, keepdims=True)
    return scores
