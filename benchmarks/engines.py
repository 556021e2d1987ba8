"""Measure the archive's engines without a server: texts per second, and the cost of mixed lengths.

python -m benchmarks.engines [--engines torch fp32 int8 bf16] [--rounds 3] [--texts FILE ...]

The texts of each file (by default of the bundled corpus) are scored one per call, 32 per call in
random order, and 32 per call sorted by length.
"""

import argparse
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tqdm import tqdm

from benchmarks.load import texts
from benchmarks.load.arguments import add_texts, positive
from benchmarks.load.loads import MANY
from benchmarks.load.prerequisites import check_archive
from scripts.failure import Failure, reports_failures
from scripts.paths import ARCHIVE

ENGINES = ("torch", "fp32", "int8", "bf16")
# Texts per measurement; each is scored once per round.
TEXTS = 8 * MANY
# The columns in between are texts per second.
COLUMNS = ("ms, 1 per call", "1 per call", "32 per call", "sorted", "cost of mixing")


@reports_failures()
def main() -> None:
    """Read the arguments, measure, and print one line per engine and corpus."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.engines", description="Measure the engines without a server."
    )
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, default=ENGINES, help="default: all"
    )
    parser.add_argument("--rounds", type=positive, default=3, help="default: 3")
    add_texts(parser)
    args = parser.parse_args()
    check_archive(ARCHIVE)
    corpora = texts.read(args.texts)
    with tempfile.TemporaryDirectory(prefix="engines-") as folder:
        classifiers = load(Path(folder), args.engines)
        for name, corpus in corpora.items():
            compare(name, corpus[:TEXTS], classifiers, args.rounds)


def load(folder: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Return engine -> warm `Classifier` with the default settings, from the code in the archive.

    The archive is unpacked to `folder`. Raises Failure if it lacks an engine.
    """
    with zipfile.ZipFile(ARCHIVE) as content:
        content.extractall(folder)
    sys.path.insert(0, str(folder))
    from sentiment.inference.classifier import Classifier
    from sentiment.settings import Settings

    config = yaml.safe_load((folder / "model-config.yaml").read_text(encoding="utf-8"))
    settings = Settings.from_yaml(config)
    classifiers = {}
    for engine in engines:
        try:
            classifiers[engine] = Classifier(
                folder / "model",
                max_tokens=settings.max_tokens,
                tokens_per_microbatch=settings.tokens_per_microbatch,
                threads=settings.threads,
                engine=engine,
            )
        except ValueError as error:
            raise Failure(str(error)) from None
        classifiers[engine].warm_up()
    return classifiers


def compare(name: str, corpus: Sequence[str], engines: dict[str, Any], rounds: int) -> None:
    """Print the medians over interleaved rounds, after one warm-up round."""
    by_length = sorted(corpus, key=len)
    tokens = sum(len(text.ids) for text in next(iter(engines.values())).tokenizer(corpus))
    timings: dict[str, list[tuple[float, float, float]]] = {engine: [] for engine in engines}
    for engine in tqdm([*engines] * (1 + rounds), desc=name, leave=False):
        classifier = engines[engine]
        timings[engine].append(
            (
                seconds(classifier, corpus, 1),
                seconds(classifier, corpus, MANY),
                seconds(classifier, by_length, MANY),
            )
        )
    print(f"\n{name}: {len(corpus)} texts of {tokens / len(corpus):.0f} tokens on average")
    print(("{:8}" + 5 * "{:>18}").format("engine", *COLUMNS))
    for engine, measured in timings.items():
        one, many, sorted_ = (
            statistics.median(column) for column in zip(*measured[1:], strict=True)
        )
        print(
            f"{engine:8}{1e3 * one / len(corpus):18.2f}{len(corpus) / one:18.0f}"
            f"{len(corpus) / many:18.0f}{len(corpus) / sorted_:18.0f}{many / sorted_ - 1:18.0%}"
        )


def seconds(classifier: Any, corpus: Sequence[str], size: int) -> float:
    """Return the seconds to score the corpus with `size` texts per call."""
    start = time.perf_counter()
    for i in range(0, len(corpus), size):
        classifier.classify(corpus[i : i + size])
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
