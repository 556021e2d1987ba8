"""The engine is chosen on the CPU that serves, among those that agree with torch there."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentiment.inference import engines, trial
from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction
from sentiment.inference.trial import CHOICE_FILE, GOLDEN_FILE, Choice, Trial, choose


@pytest.fixture
def moved(model: Path, tmp_path: Path) -> Path:
    """The default model, built on another CPU."""
    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    saved = json.loads((folder / CHOICE_FILE).read_text(encoding="utf-8"))
    (folder / CHOICE_FILE).write_text(json.dumps(saved | {"cpu": "another", "engine": "torch"}))
    return folder


def refuse(*_: Any) -> Choice:
    raise AssertionError("the engines were tried")


def test_the_cpu_of_the_build_needs_no_trial(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "try_engines", refuse)
    choice = choose(model, threads=2)
    assert choice.trials[choice.engine].texts_per_second > 0
    assert choice.trials[choice.engine].error is None


def test_another_cpu_tries_every_engine_once(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor() as workers:
        first, second = workers.map(lambda _: choose(moved, threads=2), range(2))
    assert first == second
    assert {"fp32", "int8"} <= set(first.trials)
    assert first.engine in first.trials
    assert all(tried.labels == 1 for tried in first.trials.values() if not tried.error)
    monkeypatch.setattr(trial, "try_engines", refuse)
    assert choose(moved, threads=2) == first


def test_an_engine_that_cannot_load_is_not_chosen(moved: Path) -> None:
    (moved / engines.MODEL_FILES["fp32"]).write_text("no model", encoding="utf-8")
    choice = choose(moved, threads=2)
    assert choice.engine == "int8"
    assert choice.trials["fp32"].error


def test_an_engine_that_crashes_is_not_chosen(moved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As with an instruction that the CPU lacks: the process ends without a word.
    monkeypatch.setattr("sys.executable", "/bin/false")
    choice = choose(moved, threads=2)
    assert choice.engine == "torch"
    assert {tried.error for tried in choice.trials.values()} == {"it ended with exit code 1"}


def test_engines_that_compute_something_else_leave_torch(moved: Path) -> None:
    with np.load(moved / GOLDEN_FILE) as golden:
        arrays = dict(golden)
    np.savez(moved / GOLDEN_FILE, **arrays | {"logits": -arrays["logits"]})
    classifier = Classifier(moved, max_tokens=512, threads=2, engine="auto")
    assert classifier.engine == "torch"
    (result,) = classifier.classify(["A gripping, beautifully shot film."])
    assert isinstance(result, Prediction)
    assert result.label == "POSITIVE"


@pytest.mark.parametrize(
    ("speeds", "chosen"),
    [
        ({"fp32": 100, "bf16": 150, "int8": 200}, "int8"),
        ({"fp32": 100, "bf16": 190, "int8": 200}, "bf16"),
        ({"fp32": 190, "bf16": 195, "int8": 200}, "fp32"),
        ({"fp32": 100, "bf16": 190, "int8": None}, "bf16"),
        ({"fp32": None, "int8": None}, "torch"),
        ({"fp32": 0, "int8": 0}, "fp32"),  # too slow to be measured
    ],
)
def test_the_fastest_engine_is_chosen_or_a_more_exact_one_that_is_as_fast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speeds: dict[str, float | None], chosen: str
) -> None:
    trials = {
        name: Trial(error="it fails") if speed is None else Trial(speed)
        for name, speed in speeds.items()
    }
    monkeypatch.setattr(trial, "_try_in_process", lambda _folder, name, _threads: trials[name])
    assert trial.try_engines(tmp_path, list(trials), threads=2).engine == chosen


def test_a_gpu_runs_torch(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose(model, threads=2, gpu=0).engine == "torch"
    assert choose(model, threads=2, gpu=None).engine != "torch"
