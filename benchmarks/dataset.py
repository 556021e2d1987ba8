"""Measure `sentiment score` on a whole data set against the bare engine.

    python -m benchmarks.dataset reviews.txt --rows 25000
    python -m benchmarks.dataset --memory

The first scores the lines of a file with the bare engine, with a server and with the local engine,
in turns, and prints texts per second. The second scores a million short rows, and prints the memory
of the command as it goes.
"""

import argparse
import itertools
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from scripts.archive.loading import load_handler
from scripts.launcher.server import isolated_server
from scripts.paths import MODEL_STORE
from sentiment_client.datasets.archive import unpacked

ARCHIVE = MODEL_STORE / "sentiment.mar"
# Texts per call of the bare engine, as in a request of the client.
TEXTS_PER_CALL = 32
MILLION = 1_000_000


def main() -> None:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("texts", nargs="?", type=Path, help="file with one text per line")
    parser.add_argument("--rows", type=int, default=2_000, help="rows per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="score a million short rows instead")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.memory:
            measure_memory(Path(folder))
        elif args.texts:
            measure_rates(args.texts, args.rows, args.rounds, Path(folder))
        else:
            parser.error("name a file of texts, or pass --memory")


def measure_rates(texts: Path, rows: int, rounds: int, folder: Path) -> None:
    """Print the texts per second of each way, once per round."""
    with texts.open(encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip()]
    chosen = list(itertools.islice(itertools.cycle(lines), rows))
    source = folder / "texts.txt"
    source.write_text("".join(f"{text}\n" for text in chosen), encoding="utf-8")
    for number in range(1, rounds + 1):
        # One after the other: a server that waits still has its memory, and its threads.
        rates = {"bare engine": rows / bare_engine(chosen)}
        with server() as address:
            rates["server"] = rows / command(source, "--address", address)
        rates["local"] = rows / command(source, "--engine", "local", "--archive", str(ARCHIVE))
        shown = "  ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())
        print(f"round {number}: {shown}", flush=True)


def bare_engine(texts: list[str]) -> float:
    """The seconds that the engine takes in a process of its own, loaded before."""
    spawn = multiprocessing.get_context("spawn")
    with unpacked(ARCHIVE) as folder, ProcessPoolExecutor(1, mp_context=spawn) as process:
        return process.submit(classify, folder, texts).result()


def classify(folder: Path, texts: list[str]) -> float:
    """Load the engine with the settings of the archive; returns the seconds for all texts."""
    sys.path.insert(0, str(folder))
    classifier = load_handler(folder).classifier
    start = time.perf_counter()
    for i in range(0, len(texts), TEXTS_PER_CALL):
        classifier.classify(texts[i : i + TEXTS_PER_CALL])
    return time.perf_counter() - start


def command(source: Path, *arguments: str) -> float:
    """The seconds that `sentiment score` takes, from its start to its end."""
    start = time.perf_counter()
    subprocess.run(score(source, *arguments), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def score(source: Path, *arguments: str) -> list[str]:
    """The command that scores `source` into a Parquet file next to it."""
    output = ["--output", str(source.with_suffix(".parquet")), "--overwrite"]
    return [sys.executable, "-m", "sentiment_client", "score", str(source), *output, *arguments]


def measure_memory(folder: Path) -> None:
    """Print the resident memory of the command every 10 s, and its peak."""
    source = folder / "rows.txt"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f"short row number {number}\n" for number in range(MILLION))
    peak = 0
    with server() as address, subprocess.Popen(score(source, "--address", address)) as run:
        process = psutil.Process(run.pid)
        for tick in itertools.count():
            try:
                run.wait(0.5)
                break
            except subprocess.TimeoutExpired:
                resident = process.memory_info().rss
                peak = max(peak, resident)
                if tick % 20 == 0:
                    print(f"{tick / 2:5.0f} s  {resident >> 20} MiB", flush=True)
    print(f"peak {peak >> 20} MiB")


@contextmanager
def server() -> Iterator[str]:
    """The inference address of a server of the archive, on free ports."""
    with tempfile.TemporaryDirectory() as folder:
        started = isolated_server(ARCHIVE.parent, Path(folder))
        started.start()
        try:
            yield started.properties.inference
        finally:
            started.stop()


if __name__ == "__main__":
    main()
