"""Measure how the answer for a whole text is put together: from windows, and from sentences.

PYTHONPATH=handler python -m training.documents --data DIR [--model DIR] [--engine torch]

The first table compares rules by which the logits of a long review's windows become one answer,
for windows of several lengths; "first" is truncation. The second one finds the least score of a
sentence that makes a text mixed: texts are put together from held-out sentences with known labels.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from sentiment.inference.classifier import Classifier
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction
from training import arguments
from training.data import NEGATIVE, POSITIVE, EvaluationSet, evaluation_sets
from training.scores import label_columns, load_classifier

# Lengths of windows, in tokens. Reviews longer than the largest are compared.
LENGTHS = (128, 256, 512)
# Windows per review, more than any review has.
_ALL = 1_000
# Held-out sets of single sentences with a clear label.
SENTENCES = ("wide/absa_restaurants", "wide/absa_laptops", "sst2-dev")
TEXTS = 400
LEAST_SCORES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Array = NDArray[np.float32]
# Combines the logits [windows, labels] of windows with so many tokens each.
Rule = Callable[[Array, Sequence[int]], Array]


def _most_confident(logits: Array, tokens: Sequence[int]) -> Array:
    spread = np.sort(logits, axis=1)
    best: Array = logits[(spread[:, -1] - spread[:, -2]).argmax()]
    return best


RULES: Mapping[str, Rule] = {
    "first": lambda logits, tokens: logits[0],
    "mean": lambda logits, tokens: logits.mean(axis=0),
    "mean by length": lambda logits, tokens: np.average(logits, axis=0, weights=tokens),
    "first and last": lambda logits, tokens: logits[[0, -1]].mean(axis=0),
    "last": lambda logits, tokens: logits[-1],
    "most confident": _most_confident,
}


def main() -> None:
    """Print both tables."""
    parser = arguments.parser("training.documents", __doc__)
    args = parser.parse_args()
    sets = {rows.name: rows for rows in evaluation_sets(args.data)}
    compare_rules(args.model, args.engine, sets["imdb"])
    classifier = load_classifier(args.model, args.engine, max(LENGTHS))
    compare_least_scores(classifier, [sets[name] for name in SENTENCES])


def compare_rules(model: Path, engine: str, reviews: EvaluationSet) -> None:
    """Print the polarity accuracy of each rule on the reviews longer than each window."""
    classifiers = {
        length: load_classifier(model, engine, length, max_windows=_ALL) for length in LENGTHS
    }
    tokenized = {name: it.tokenizer(reviews.texts) for name, it in classifiers.items()}
    for longer_than in LENGTHS[1:]:
        chosen = [
            index for index, tokens in enumerate(tokenized[longer_than]) if len(tokens.windows) > 1
        ]
        print(f"\n{len(chosen)} reviews over {longer_than} tokens, accuracy by polarity")
        print(f"{'windows of':>12}", *(f"{rule:>15}" for rule in RULES))
        for length, classifier in classifiers.items():
            negative, _, positive = label_columns(classifier.labels)
            correct = dict.fromkeys(RULES, 0)
            for index in tqdm(chosen, leave=False):
                windows = tokenized[length][index].windows
                count = len(windows)
                logits = np.array(
                    classifier.scorer.logits(windows, [1] * count, [float("inf")] * count)
                )
                for name, rule in RULES.items():
                    combined = rule(logits, [len(window) for window in windows])
                    is_positive = combined[positive] > combined[negative]
                    correct[name] += is_positive == (reviews.labels[index] == POSITIVE)
            shares = (f"{count / len(chosen):15.2%}" for count in correct.values())
            print(f"{length:12}", *shares, flush=True)


def compare_least_scores(classifier: Classifier, sets: Sequence[EvaluationSet]) -> None:
    """Print how often texts of one sign and of both signs are called mixed by each least score."""
    draw = random.Random(0)
    pools = {
        label: [
            text.strip()
            for rows in sets
            for text, own in zip(rows.texts, rows.labels, strict=True)
            if own == label
        ]
        for label in (NEGATIVE, POSITIVE)
    }
    groups: dict[bool, list[str]] = {True: [], False: []}
    for number in range(TEXTS):
        sign = (NEGATIVE, POSITIVE)[number % 2]
        same, other = pools[sign], pools[NEGATIVE + POSITIVE - sign]
        groups[False].append(" ".join(draw.sample(same, 3)))
        parts = [*draw.sample(same, 2), draw.choice(other)]
        draw.shuffle(parts)
        groups[True].append(" ".join(parts))
    clear = {mixed: _clear_scores(classifier, texts) for mixed, texts in groups.items()}
    print(f"\n{TEXTS} texts of three sentences each: called mixed")
    print(f"{'least score':>12} {'of both signs':>14} {'of one sign':>12} {'F1':>6}")
    for least in LEAST_SCORES:
        right, wrong = (float((clear[mixed] >= least).mean()) for mixed in (True, False))
        print(f"{least:12} {right:14.1%} {wrong:12.1%} {2 * right / (1 + right + wrong):6.3f}")


def _clear_scores(classifier: Classifier, texts: Sequence[str]) -> Array:
    """Per text, the smaller of its best scores as NEGATIVE and as POSITIVE, of its sentences."""
    negative, _, positive = (
        None if column is None else classifier.labels[column]
        for column in label_columns(classifier.labels)
    )
    scores = []
    for outcome in classifier.classify(texts, Options(sentences=True)):
        best = {negative: 0.0, positive: 0.0}
        sentences = outcome.sentences if isinstance(outcome, Prediction) else None
        for sentence in sentences or ():
            label, score = sentence.prediction.label, sentence.prediction.score
            if label in best:
                best[label] = max(best[label], score)
        scores.append(min(best.values()))
    return np.array(scores, np.float32)


if __name__ == "__main__":
    main()
