"""Measure a checkpoint with the classifier of the handler: on sets, on slices and on behaviours.

PYTHONPATH=handler python -m training.evaluate --data DIR [--model DIR] [--max-tokens 256 512]
        [--engine torch] [--json FILE]

The scores are those that are served. A checkpoint with two labels has 0 for NEUTRAL, so that its
accuracy and calibration on sets with neutral texts are low; its polarity figures can be compared.
"""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np

from scripts.failure import reports_failures
from sentiment.inference.classifier import Classifier
from sentiment.inference.tokenizer import Tokenizer
from training import arguments
from training.behaviours import BEHAVIOURS
from training.cases import Case
from training.data import EvaluationSet, evaluation_sets
from training.metrics import Array, Figures, Labels, as_read, measure
from training.scores import check_checkpoint, in_order, label_columns, load_classifier, score
from training.targets import TARGETS

# Reviews over this many tokens are also measured as sets of their own.
LONG_TOKENS = 512
LONG = "imdb-long"
TRUNCATED = ", truncated"
# Failing texts per behaviour that are printed and saved.
EXAMPLES = 3

_COLUMNS = "  texts  accuracy   macro  polarity     AUC    ECE  floor   wrong   polar  at 80 %"
_LEGEND = """\
macro: macro recall. polarity, AUC: POSITIVE against NEGATIVE, of the texts that are not neutral.
ECE: expected calibration error, 15 bins. floor: the same of a perfectly calibrated model on as many
texts. wrong: wrong at a confidence of 0.9 or more. polar: share of neutral texts that are called
polar at 0.9 or more. at 80 %: accuracy of the most confident 80 %. Sets without neutral texts are
read without NEUTRAL: the other two probabilities are renormalised."""

Report = dict[str, Any]


def _words(fewest: int, most: int) -> Callable[[str], bool]:
    return lambda text: fewest <= len(text.split()) <= most


def _matches(pattern: str) -> Callable[[str], bool]:
    return lambda text: re.search(pattern, text) is not None


# Texts of all sets together that have something in common.
SLICES: dict[str, Callable[[str], bool]] = {
    "1 to 3 words": _words(1, 3),
    "4 to 15 words": _words(4, 15),
    "16 to 60 words": _words(16, 60),
    "61 to 250 words": _words(61, 250),
    "over 250 words": _words(251, 1 << 30),
    "a negation": _matches(r"(?i)\b(not|no|never|nothing|nobody|without|cannot)\b|n['\u2019]t\b"),
    '"but" or "although"': _matches(r"(?i)\b(but|although|though|however)\b"),
    "a question mark": _matches(r"\?"),
    "an emoji": _matches("[\u2600-\u27bf\U0001f300-\U0001faff]"),
    "an emoticon": _matches(r"[:;]['-]?[()DPp]|<3"),
    "a hashtag": _matches(r"#\w"),
    "capitals only": lambda text: text.isupper(),
    "small letters only": lambda text: text.islower(),
}


def main() -> None:
    """Print the tables for each maximum length, and save their figures."""
    parser = arguments.parser("training.evaluate", __doc__)
    parser.add_argument("--max-tokens", type=int, nargs="+", default=[512], metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the figures in FILE")
    args = parser.parse_args()
    check_checkpoint(args.model)
    try:
        sets = evaluation_sets(args.data)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}; training/data.py lists the files")
    sets = with_long_reviews(sets, Tokenizer(args.model, 1 << 30))
    reports = []
    for max_tokens in args.max_tokens:
        classifier = load_classifier(args.model, args.engine, max_tokens)
        print(f"\n{args.model}, engine {classifier.engine}, at most {max_tokens} tokens")
        report = {"model": str(args.model), "engine": classifier.engine, "max_tokens": max_tokens}
        reports.append(report | evaluate(classifier, sets))
        print_targets(reports[-1])
    if args.json:
        args.json.write_text(json.dumps(reports, indent=1, ensure_ascii=False), encoding="utf-8")


def evaluate(classifier: Classifier, sets: Sequence[EvaluationSet]) -> Report:
    """Return `{"sets": …, "slices": …, "behaviours": …}`, each by name; raises Failure.

    Prints one line per set, slice and behaviour when it is measured.
    """
    columns = label_columns(classifier.labels)

    def probabilities(texts: list[str], name: str) -> Array:
        scores = score(classifier, texts, name, truncate=name.endswith(TRUNCATED))
        return in_order(scores.probabilities, columns)

    report: Report = {"sets": {}, "slices": {}, "behaviours": {}}
    texts: list[str] = []
    read: list[Array] = []
    labels: list[Labels] = []
    print(f"\n{'set':24}{_COLUMNS}")
    for rows in sets:
        scores = probabilities(rows.texts, rows.name)
        targets = np.array(rows.labels, np.int64)
        figures = measure(scores, targets)
        report["sets"][rows.name] = figures.as_json()
        print(_line(rows.name, figures), flush=True)
        # Each text once: sst2 is a part of sst3, and imdb-long of imdb.
        if not rows.name.startswith(("sst2", LONG)):
            texts += rows.texts
            read.append(as_read(scores, targets))
            labels.append(targets)
    print(f"\n{'slice of all sets':24}{_COLUMNS}")
    for name, belongs in SLICES.items():
        chosen = np.array([belongs(text) for text in texts], bool)
        if chosen.any():
            figures = measure(np.concatenate(read)[chosen], np.concatenate(labels)[chosen])
            report["slices"][name] = figures.as_json()
            print(_line(name, figures))
    print(f"\n{_LEGEND}\n\n{'behaviour':24} {'cases':>6} {'failures':>9}")
    for name, behaviour in BEHAVIOURS.items():
        result = _failures(behaviour(), name, probabilities)
        report["behaviours"][name] = result
        print(f"{name:24} {result['cases']:6,} {_percent(result['failures'], 9)}")
        print(*(f"    {example}\n" for example in result["examples"]), sep="", end="", flush=True)
    return report


def print_targets(report: Report) -> None:
    """Print each target that the report has the figure of, and whether it is reached."""
    print(f"\n{'target':60} {'figure':>8}")
    for target in TARGETS:
        value = target.figure(report)
        if value is not None:
            verdict = "reached" if target.reached(value) else "missed"
            print(f"{target.description:60} {value:8.4f} {verdict}")


def _failures(
    cases: Sequence[Case],
    name: str,
    probabilities: Callable[[list[str], str], Array],
) -> Report:
    """The number of cases, the share that fails, from 0 to 1, and some failing texts."""
    scores = probabilities([text for case in cases for text in case.texts], name)
    ends = np.cumsum([len(case.texts) for case in cases])
    parts = np.split(scores, ends[:-1])
    failing = [case for case, part in zip(cases, parts, strict=True) if case.fails(part)]
    return {
        "cases": len(cases),
        "failures": round(len(failing) / len(cases), 4),
        "examples": [
            " | ".join(shorten(text, 100) for text in case.texts)
            for case in failing[:: max(len(failing) // EXAMPLES, 1)][:EXAMPLES]
        ],
    }


def with_long_reviews(sets: list[EvaluationSet], tokenizer: Tokenizer) -> list[EvaluationSet]:
    """Add the reviews of imdb over 512 tokens as sets of their own: in windows, and truncated."""
    (reviews,) = (rows for rows in sets if rows.name == "imdb")
    long = [
        (text, label)
        for text, label, tokens in zip(
            reviews.texts, reviews.labels, tokenizer(reviews.texts), strict=True
        )
        if len(tokens.ids) > LONG_TOKENS
    ]
    texts, labels = [text for text, _ in long], [label for _, label in long]
    added = [EvaluationSet(name, texts, labels) for name in (LONG, LONG + TRUNCATED) if texts]
    return [*sets, *added]


def _line(name: str, figures: Figures) -> str:
    at_80 = dict(figures.coverage)[0.8]
    return (
        f"{name:24} {figures.texts:6,} {_percent(figures.accuracy, 9)} "
        f"{_percent(figures.macro_recall, 7)} {_percent(figures.polarity_accuracy, 9)} "
        f"{_percent(figures.polarity_auc, 7)} {figures.calibration_error:6.3f} "
        f"{figures.calibration_floor:6.3f} {_percent(figures.confidently_wrong, 7)} "
        f"{_percent(figures.neutral_called_polar, 7)} {_percent(at_80, 8)}"
    )


def _percent(share: float | None, width: int) -> str:
    return f"{'-':>{width}}" if share is None else f"{share:{width}.1%}"


if __name__ == "__main__":
    raise SystemExit(reports_failures()(main)())
