"""Choose the engine of a CPU: the fastest one of the archive that agrees with torch on that CPU.

    python -m sentiment.inference.trial MODEL_DIR ENGINE THREADS

Which engine is fastest depends on the CPU, and a runtime may compute something else on a CPU that
the build has not seen. So each engine scores the golden texts, whose logits by the torch engine are
in the archive. The build does this first. A worker does it again only on another CPU, with each
engine in a process of its own, since it may crash and leaves memory behind, and saves the result
for the next worker.
"""

import fcntl
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from sentiment.inference import engines
from sentiment.inference.activation import activation_for
from sentiment.inference.agreement import Agreement
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.cpu import cpu_name
from sentiment.inference.scorer import Scorer
from sentiment.inference.tokens import Ids

GOLDEN_FILE, CHOICE_FILE = "golden.npz", "choice.json"
# An engine that is this much slower than the fastest one is preferred if it is more exact: times
# vary by a tenth, and the same archive should give the same scores at every start.
_MARGIN = 1.1
_MOST_EXACT_FIRST = ("fp32", "bf16", "int8")
# Times that the golden texts are scored; the fastest counts, since others may use the cores. A
# large model scores fewer texts, once: all trials must end well before `startupTimeout`.
_ROUNDS, _CHUNK, _ENOUGH_SECONDS = 20, 16, 5.0
_MOST_SECONDS = 25.0

logger = logging.getLogger(__name__)


class Trial(Struct, omit_defaults=True):
    """How an engine did on the golden texts; `error` is why it cannot be used.

    An engine that took too long to be measured has a speed of 0.
    """

    texts_per_second: float = 0.0
    labels: float = 0.0
    score: float = 0.0
    error: str | None = None


# Tries the engine of a name: the folder of the model, the name, threads.
Attempt = Callable[[Path, str, int], Trial]


class Choice(Struct):
    """The engine for one CPU, and the trials of all engines that the archive has."""

    cpu: str
    engine: str
    trials: dict[str, Trial]

    def __str__(self) -> str:
        results = ", ".join(
            f"{name} {trial.error or f'{trial.texts_per_second:,.0f} texts/s'}"
            for name, trial in self.trials.items()
        )
        return f"{self.engine} serves on this CPU ({results})"


def choose(model_dir: Path, threads: int, gpu: int | None = None) -> Choice:
    """The engine for this machine: torch on a `gpu` or without others, else the best for the CPU.

    Raises OSError or msgspec.DecodeError if the files of the archive cannot be read.
    """
    golden, path = model_dir / GOLDEN_FILE, model_dir / CHOICE_FILE
    if engines.has_gpu(gpu) or not golden.exists():
        return Choice(cpu_name(), "torch", {})
    with _locked(golden):
        choice = msgspec.json.decode(path.read_bytes(), type=Choice)
        if choice.cpu != cpu_name():
            choice = try_engines(model_dir, list(choice.trials), threads)
    logger.info("%s", choice)
    return choice


def try_engines(
    model_dir: Path, names: Sequence[str], threads: int, attempt: Attempt | None = None
) -> Choice:
    """Choose one of the engines on this CPU, or torch if none can be used, and save the choice.

    `attempt` tries one of them; the default does it in another process.
    """
    attempt = attempt or _try_in_process
    trials = {name: attempt(model_dir, name, threads) for name in names}
    usable = {name: trial.texts_per_second for name, trial in trials.items() if not trial.error}
    enough = max(usable.values(), default=0.0) / _MARGIN
    fast = [name for name in _MOST_EXACT_FIRST if usable.get(name, -1.0) >= enough]
    choice = Choice(cpu_name(), fast[0] if fast else "torch", trials)
    try:
        (model_dir / CHOICE_FILE).write_bytes(msgspec.json.encode(choice))
    except OSError:  # a read-only folder: the next worker tries them again
        logger.warning("%s cannot be written", CHOICE_FILE)
    return choice


def run(model_dir: Path, name: str, threads: int) -> Trial:
    """Try one engine in this process; raises what its runtime raises."""
    checkpoint = Checkpoint.read(model_dir)
    with np.load(model_dir / GOLDEN_FILE) as golden:
        texts = np.split(golden["ids"], golden["ends"][:-1])
        expected = golden["logits"]
    engine = engines.load(name, model_dir, checkpoint.pad_token_id, threads)
    scorer = Scorer(engine, engine.best_microbatch_tokens)

    def score(chosen: Sequence[Ids]) -> list[Any]:
        return scorer.logits(chosen, [1] * len(chosen), [float("inf")] * len(chosen))

    started = time.perf_counter()
    results: list[Any] = []
    while len(results) < len(texts) and time.perf_counter() - started < _ENOUGH_SECONDS:
        results += score(texts[len(results) :][:_CHUNK])
    if not all(isinstance(result, np.ndarray) for result in results):
        return Trial(error="it fails on ordinary texts")
    count = len(results)
    seconds: list[float] = []
    while not seconds or (
        len(seconds) <= _ROUNDS and time.perf_counter() - started < _ENOUGH_SECONDS
    ):
        before = time.perf_counter()
        score(texts[:count])
        seconds.append(time.perf_counter() - before)
    activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    agreement = Agreement.of(np.array(results), expected[:count], activation)
    return Trial(
        round(count / min(seconds), 1),
        agreement.labels,
        agreement.score,
        None if agreement.good else "its scores are not those of torch",
    )


def _try_in_process(model_dir: Path, name: str, threads: int) -> Trial:
    root = Path(__file__).parents[2]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", __spec__.name, model_dir, name, str(threads)],
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Trial()
    if done.returncode:
        reason = (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1]
        logger.warning("engine %s: exit code %d: %s", name, done.returncode, reason)
        return Trial(error=f"it ended with exit code {done.returncode}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Trial)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one worker at a time try engines: the others then find its choice."""
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    folder, engine_name, thread_count = sys.argv[1:]
    sys.stdout.buffer.write(msgspec.json.encode(run(Path(folder), engine_name, int(thread_count))))
