"""The engines of the archive without a server: texts a second, and what mixed lengths cost.

python -m benchmarks.engines [--engines "torch fp32 int8 bf16"] [--rounds 3] [--texts "file ..."]

Of each file (by default of the bundled corpus), one text a call, and 32 a call: as they come, and
sorted by length, so that each call has texts of like length.
"""

import argparse
import os
import shlex
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
from benchmarks.load.arguments import names_of, positive
from benchmarks.load.loads import MANY
from benchmarks.process import ARCHIVE, check_archive
from scripts.failure import Failure

ENGINES = ("torch", "fp32", "int8", "bf16")
# Texts of a measurement, of which each is scored once a round.
TEXTS = 8 * MANY
# All but the first and the last in texts a second.
COLUMNS = ("ms for one a call", "one a call", "32 a call", "of like length", "mixed costs")


def main() -> int:
    """Read the arguments, measure, print a line an engine and corpus."""
    parser = argparse.ArgumentParser(description="Measure the engines without a server.")
    parser.add_argument("--engines", type=names_of(ENGINES), default=ENGINES)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--texts", default="")
    args = parser.parse_args()
    try:
        corpora = texts.read([Path(name) for name in shlex.split(args.texts)])
        with tempfile.TemporaryDirectory(prefix="engines-") as folder:
            classifiers = load(Path(folder), args.engines)
            for name, corpus in corpora.items():
                compare(name, corpus[:TEXTS], classifiers, args.rounds)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def load(folder: Path, engines: Sequence[str]) -> dict[str, Any]:
    """Name -> `Classifier` of the archive, with the settings that ship; raises Failure."""
    check_archive(ARCHIVE)
    with zipfile.ZipFile(ARCHIVE) as content:
        content.extractall(folder)
    sys.path.insert(0, str(folder))
    os.environ["HF_HUB_OFFLINE"] = "1"
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
    """Print what each does with `corpus`: medians of interleaved rounds, the first one not told."""
    by_length = sorted(corpus, key=len)
    tokens = sum(len(each.ids) for each in next(iter(engines.values())).tokenizer(corpus))
    took: dict[str, list[tuple[float, float, float]]] = {engine: [] for engine in engines}
    for engine in tqdm([*engines] * (1 + rounds), desc=name, leave=False):
        classifier = engines[engine]
        took[engine].append(
            (
                seconds(classifier, corpus, 1),
                seconds(classifier, corpus, MANY),
                seconds(classifier, by_length, MANY),
            )
        )
    print(f"\n{name}: {len(corpus)} texts of {tokens / len(corpus):.0f} tokens on average")
    print(("{:8}" + 5 * "{:>18}").format("engine", *COLUMNS))
    for engine, measured in took.items():
        one, many, like = (statistics.median(each) for each in zip(*measured[1:], strict=True))
        print(
            f"{engine:8}{1e3 * one / len(corpus):18.2f}{len(corpus) / one:18.0f}"
            f"{len(corpus) / many:18.0f}{len(corpus) / like:18.0f}{many / like - 1:18.0%}"
        )


def seconds(classifier: Any, corpus: Sequence[str], size: int) -> float:
    """How long it takes to score them all, `size` a call."""
    began = time.perf_counter()
    for start in range(0, len(corpus), size):
        classifier.classify(corpus[start : start + size])
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
