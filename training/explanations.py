"""Measure how faithful the weights of words are, against integrated gradients and chance.

PYTHONPATH=handler python -m training.explanations --data DIR [--model DIR]

Deletion: the score when a text's words are left out one after the other, those with the largest
weights first (Petsiuk et al. 2018); the mean over the curve, and after three words. Insertion: the
score when the text is built up from nothing in the same order. A faithful order loses the score
fast and gains it fast. Everything runs on the torch engine, since gradients need one.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from sentiment.inference.classifier import Classifier
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction, Word
from training import arguments
from training.data import NEUTRAL, evaluation_sets
from training.scores import load_classifier

SETS = ("sst3-test", "wide/absa_restaurants", "wide/semeval_tweets", "wide/cebab_restaurants")
TEXTS_PER_SET = 50
# Texts with fewer words leave nothing to choose.
FEWEST_WORDS, MOST_WORDS = 8, 40
# Points on the line from nothing to the text (Sundararajan et al. 2017).
STEPS = 32
_UNLIMITED = 1 << 20

Curve = NDArray[np.float64]


def main() -> None:
    """Print a line per order of words."""
    parser = arguments.parser("training.explanations", __doc__, engine=False)
    args = parser.parse_args()
    classifier = load_classifier(args.model, "torch", 512)
    gradients = IntegratedGradients(args.model)
    draw = random.Random(0)
    curves: dict[str, list[tuple[Curve, Curve]]] = {}
    for text in tqdm(chosen_texts(classifier, args.data), leave=False):
        (outcome,) = classifier.classify([text], Options(explain_tokens=_UNLIMITED))
        if not isinstance(outcome, Prediction) or not outcome.words:
            continue
        words, label = outcome.words, outcome.label
        orders = {
            "occlusion": sorted(words, key=lambda word: -word.weight),
            "integrated gradients": gradients.order(text, words, classifier.labels.index(label)),
            "chance": draw.sample(words, len(words)),
        }
        for name, order in orders.items():
            curve = score_curves(classifier, text, order, label)
            curves.setdefault(name, []).append(curve)
    texts = len(next(iter(curves.values())))
    print(f"{texts} texts")
    print(f"{'order of words':22} {'deletion':>9} {'insertion':>10} {'lost by three':>14}")
    for name, both in curves.items():
        deletion = np.mean([curve.mean() for curve, _ in both])
        insertion = np.mean([curve.mean() for _, curve in both])
        lost = np.mean([curve[0] - curve[3] for curve, _ in both])
        print(f"{name:22} {deletion:9.3f} {insertion:10.3f} {lost:14.3f}")


def chosen_texts(classifier: Classifier, data: Path) -> list[str]:
    """Held-out texts of middling length whose label is not NEUTRAL."""
    sets = {rows.name: rows for rows in evaluation_sets(data)}
    chosen: list[str] = []
    for name in SETS:
        rows = sets[name]
        fitting = [
            text
            for text, label in zip(rows.texts, rows.labels, strict=True)
            if label != NEUTRAL and FEWEST_WORDS <= len(text.split()) <= MOST_WORDS
        ]
        chosen += random.Random(0).sample(fitting, min(TEXTS_PER_SET, len(fitting)))
    return chosen


def score_curves(
    classifier: Classifier, text: str, order: Sequence[Word], label: str
) -> tuple[Curve, Curve]:
    """The scores of `label` without the first 0, 1, 2, ... words, and with only those."""
    deleted, inserted = [], []
    for count in range(len(order) + 1):
        first = set(order[:count])
        deleted.append(_keep(text, [word for word in order if word not in first]))
        inserted.append(_keep(text, [word for word in order if word in first]))
    outcomes = classifier.classify(deleted + inserted)
    # A text without any words left has no score of its own: it is no evidence, as in `deleted`.
    scores = [
        outcome.scores[label] if isinstance(outcome, Prediction) else 0.0 for outcome in outcomes
    ]
    return np.array(scores[: len(deleted)]), np.array(scores[len(deleted) :])


def _keep(text: str, words: Sequence[Word]) -> str:
    return " ".join(
        text[word.start : word.end] for word in sorted(words, key=lambda word: word.start)
    )


class IntegratedGradients:
    """Attributes the logit of a label to tokens, with [PAD] in every place as the baseline."""

    def __init__(self, model: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(model)
        self.model: Any = AutoModelForSequenceClassification.from_pretrained(
            model, dtype=torch.float32
        ).eval()

    def order(self, text: str, words: Sequence[Word], label: int) -> list[Word]:
        """`words`, those with the largest attributions first."""
        encoded = self.tokenizer(
            text, return_offsets_mapping=True, return_tensors="pt", truncation=True
        )
        ids, offsets = encoded["input_ids"], encoded["offset_mapping"][0].tolist()
        embed = self.model.get_input_embeddings()
        special = torch.tensor(
            self.tokenizer.get_special_tokens_mask(ids[0].tolist(), already_has_special_tokens=True)
        ).bool()
        baseline_ids = torch.where(special, ids, torch.full_like(ids, self.tokenizer.pad_token_id))
        inputs, baseline = embed(ids).detach(), embed(baseline_ids).detach()
        shares = (torch.arange(STEPS) + 0.5) / STEPS
        points = (baseline + shares[:, None, None] * (inputs - baseline)).requires_grad_()
        mask = torch.ones(STEPS, ids.shape[1], dtype=torch.long)
        logits = self.model(inputs_embeds=points, attention_mask=mask).logits
        (gradients,) = torch.autograd.grad(logits[:, label].sum(), points)
        by_token: list[float] = (
            ((inputs - baseline) * gradients.mean(dim=0)).sum(dim=-1)[0].tolist()
        )

        def attribution(word: Word) -> float:
            return sum(
                value
                for value, (start, end) in zip(by_token, offsets, strict=True)
                if word.start <= start < word.end and end > start
            )

        return sorted(words, key=attribution, reverse=True)


if __name__ == "__main__":
    main()
