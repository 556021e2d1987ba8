"""Fit how logits are scaled, so that confidence equals accuracy (Guo et al. 2017).

Logits are float64 [texts, labels]; -inf marks a label that is no answer to a text. Labels are int64
[texts]. Weights are float64 [texts] and sum to 1. The loss is the negative log-likelihood in nats.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

# The range of temperatures, and the precision of the search on its logarithm.
TEMPERATURES = (0.05, 20.0)
_PRECISION = 1e-6
_GOLDEN = (math.sqrt(5) - 1) / 2
# Pulls the vector towards no scaling, for labels that hardly occur.
_RIDGE = 1e-4


def softmax(logits: Array) -> Array:
    """Return the probabilities, [texts, labels]."""
    probabilities: Array = np.exp(_log_softmax(logits))
    return probabilities


def loss(logits: Array, labels: Labels, weights: Array) -> float:
    """Return the weighted negative log-likelihood of `labels`."""
    return float(-weights @ _log_softmax(logits)[np.arange(len(labels)), labels])


def fit_temperature(logits: Array, labels: Labels, weights: Array) -> float:
    """Return the temperature T of the smallest loss of logits / T.

    By golden-section search: the loss has one minimum, since it is convex in 1 / T.
    """
    low, high = map(math.log, TEMPERATURES)
    while high - low > _PRECISION:
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if loss(logits / math.exp(left), labels, weights) < loss(
            logits / math.exp(right), labels, weights
        ):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def fit_vector(logits: Array, labels: Labels, weights: Array) -> tuple[Array, Array]:
    """Return (scale, shift), each [labels], of the smallest loss of scale * logits + shift.

    By Newton's method, since the loss is convex; a step that does not lower it is halved.
    """
    number = logits.shape[1]
    finite = np.where(np.isfinite(logits), logits, 0)
    one_hot = np.eye(number)[labels]
    start = np.repeat([1.0, 0.0], number)

    def objective(point: Array) -> float:
        pull = _RIDGE / 2 * float(((point - start) ** 2).sum())
        return loss(scale_vector(logits, *np.split(point, 2)), labels, weights) + pull

    point = start
    for _ in range(100):
        p = softmax(scale_vector(logits, *np.split(point, 2)))
        error = (p - one_hot) * weights[:, None]
        gradient = np.concatenate([(error * finite).sum(0), error.sum(0)])
        gradient += _RIDGE * (point - start)
        features = np.concatenate([p * finite, p], axis=1)
        weighted = p * weights[:, None]
        squares, products = (weighted * finite**2).sum(0), (weighted * finite).sum(0)
        hessian = np.block(
            [[np.diag(squares), np.diag(products)], [np.diag(products), np.diag(weighted.sum(0))]]
        )
        hessian += _RIDGE * np.eye(2 * number) - (features * weights[:, None]).T @ features
        step = np.linalg.solve(hessian, gradient)
        while objective(point - step) > objective(point) and np.abs(step).max() > _PRECISION:
            step /= 2
        point = point - step
        if np.abs(step).max() <= _PRECISION:
            break
    scale, shift = np.split(point, 2)
    return scale, shift


def scale_vector(logits: Array, scale: Array, shift: Array) -> Array:
    """Return scale * logits + shift, and -inf where the logit is."""
    read = np.isfinite(logits)
    return np.where(read, np.where(read, logits, 0) * scale + shift, -np.inf)


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return result
