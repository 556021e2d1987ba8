"""Activations compute scores from logits."""

import numpy as np
import pytest

from sentiment.inference.activation import activation_for, apply_activation


def test_softmax_of_large_logits_stays_finite() -> None:
    scores = apply_activation(np.array([[1000.0, 999.0], [-1000.0, 1000.0]], np.float32), "softmax")
    np.testing.assert_allclose(scores, [[0.731059, 0.268941], [0.0, 1.0]], atol=1e-6)
    assert scores.dtype == np.float32


def test_sigmoid_of_large_logits_stays_finite() -> None:
    scores = apply_activation(np.array([[-1000.0, 0.0, 2.0, 1000.0]], np.float32), "sigmoid")
    np.testing.assert_allclose(scores, [[0.0, 0.5, 0.880797, 1.0]], atol=1e-6)


def test_none_leaves_logits_as_they_are() -> None:
    logits = np.array([[3.5]], np.float32)
    assert apply_activation(logits, "none") is logits


@pytest.mark.parametrize(
    ("problem_type", "labels", "function"),
    [
        (None, 2, "softmax"),
        (None, 1, "sigmoid"),
        ("single_label_classification", 3, "softmax"),
        ("multi_label_classification", 3, "sigmoid"),
        ("regression", 1, "none"),
    ],
)
def test_the_default_activation_is_the_checkpoints(
    problem_type: str | None, labels: int, function: str
) -> None:
    assert activation_for(problem_type, labels) == function
