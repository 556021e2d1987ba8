"""Calibration recovers a known temperature, and its files are written for any checkpoint."""

import csv
import gzip
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.failure import Failure
from scripts.paths import MODEL
from training.calibrate import METHODS, ScoredSet, calibrate, cross_fitted, errors, main, readable
from training.data import EvaluationSet
from training.labelled import labelled_sets
from training.scaling import fit_temperature, fit_vector, loss, softmax

LABELS = ("NEGATIVE", "NEUTRAL", "POSITIVE")


def drawn(
    texts: int,
    seed: int,
    factor: float = 1.0,
    scale: tuple[float, ...] = (1, 1, 1),
    shift: float = 0,
) -> ScoredSet:
    """Logits `factor` times too large for the probabilities that the labels were drawn from."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, (texts, 3))
    true = logits * scale + np.array([shift, 0, -shift])
    cumulative = softmax(true).cumsum(axis=1)
    labels = (generator.random((texts, 1)) > cumulative).sum(axis=1)
    return ScoredSet(f"set-{seed}", logits * factor, labels)


def joined(rows: ScoredSet) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return rows.logits, rows.labels, np.full(len(rows.labels), 1 / len(rows.labels))


@pytest.mark.parametrize("factor", [0.5, 1.0, 2.5])
def test_the_temperature_is_recovered(factor: float) -> None:
    assert fit_temperature(*joined(drawn(20_000, 1, factor))) == pytest.approx(factor, rel=0.03)


def test_no_other_temperature_has_a_lower_loss() -> None:
    logits, labels, weights = joined(drawn(500, 2, 1.7))
    best = fit_temperature(logits, labels, weights)
    lowest = loss(logits / best, labels, weights)
    assert all(
        loss(logits / temperature, labels, weights) >= lowest - 1e-12
        for temperature in np.linspace(0.06, 19, 400)
    )


def test_the_vector_is_recovered() -> None:
    logits, labels, weights = joined(drawn(50_000, 3, scale=(0.5, 1.0, 0.8), shift=0.7))
    scale, shift = fit_vector(logits, labels, weights)
    np.testing.assert_allclose(scale, (0.5, 1.0, 0.8), rtol=0.05)
    # A constant added to all shifts changes nothing.
    np.testing.assert_allclose(shift - shift.mean(), (0.7, 0, -0.7), atol=0.05)


def test_calibration_lowers_the_error_of_an_over_confident_model() -> None:
    sets = [drawn(3_000, seed, 2.5) for seed in (4, 5)]
    calibration = calibrate(sets)
    assert calibration["temperature"] == pytest.approx(2.5, rel=0.06)
    assert calibration["calibration_error"]["before"] > 0.1
    assert calibration["calibration_error"]["after"] < 0.03
    assert calibration["fitted_on"] == ["set-4", "set-5"]
    assert calibration["texts"] == sum(count for *_, count in calibration["reliability"]) == 6_000
    for confidence, accuracy, count in calibration["reliability"]:
        assert confidence == pytest.approx(accuracy, abs=0.1) or count < 100
    accuracies = [accuracy for _, accuracy in calibration["coverage"]]
    assert accuracies[0] > accuracies[-1]


def test_every_set_has_the_same_weight() -> None:
    small, large = drawn(500, 6, 3.0), drawn(10_000, 7, 1.0)
    alone = [fit_temperature(*joined(rows)) for rows in (small, large)]
    together = calibrate([small, large])["temperature"]
    many = ScoredSet("many", np.tile(small.logits, (20, 1)), np.tile(small.labels, 20))
    assert together == pytest.approx(calibrate([many, large])["temperature"], abs=1e-3)
    assert alone[1] + 0.3 < together < alone[0] - 0.3


def test_a_half_is_scaled_by_the_other_half() -> None:
    """Labels that contradict the logits in one half spoil the scaling of the other half alone."""
    rows = drawn(4_000, 8)
    half = np.random.default_rng(0).permutation(4_000) % 2 == 0
    labels = rows.labels.copy()
    labels[half] = rows.logits[half].argmin(axis=1)
    (scaled,) = cross_fitted([ScoredSet("", rows.logits, labels)], METHODS["temperature"])
    ratio = rows.logits[:, 0] / scaled[:, 0]
    assert ratio[half] == pytest.approx(1, rel=0.1)
    assert (ratio[~half] > 10).all()


def test_vector_scaling_is_better_where_labels_are_shifted() -> None:
    rows = [drawn(4_000, 9, shift=1.5)]
    assert errors(rows, METHODS["vector"])[0] < errors(rows, METHODS["temperature"])[0]


def test_a_set_without_neutral_texts_is_read_without_neutral() -> None:
    logits = np.array([[1.0, 5.0, 2.0]])
    without = readable(logits, EvaluationSet("", [""], [2]), LABELS)
    np.testing.assert_allclose(softmax(without), softmax(np.array([[1, -np.inf, 2.0]])))
    assert softmax(without)[0, 1] == 0
    with_neutral = readable(logits, EvaluationSet("", [""], [1]), LABELS)
    np.testing.assert_array_equal(with_neutral, logits)
    rows = ScoredSet("", np.tile(without, (200, 1)), np.array([2] * 150 + [0] * 50))
    for method in METHODS.values():
        assert np.isfinite(errors([rows], method)).all()
        (scaled,) = cross_fitted([rows], method)
        assert (softmax(scaled)[:, 1] == 0).all()


def write(folder: Path) -> None:
    """One file of each kind, with labels as names and as numbers."""
    rows = [("Wonderful.", "POSITIVE"), ('Awful, "really".', "negative"), ("Fine\nby me.", "1")]
    with (folder / "b.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("text", "label", "id"), *((*row, 7) for row in rows)])
    with gzip.open(folder / "a.jsonl.gz", "wt", encoding="utf-8") as file:
        file.write('{"text": "Dull.", "label": 0}\n{"label": "Positive", "text": "Fun."}\n')
    (folder / "README.md").write_text("not data")


def test_csv_and_json_lines_are_read(tmp_path: Path) -> None:
    write(tmp_path)
    first, second = labelled_sets(tmp_path, ["NEGATIVE", "POSITIVE"])
    assert first == EvaluationSet("a", ["Dull.", "Fun."], [0, 1])
    assert second.texts == ["Wonderful.", 'Awful, "really".', "Fine\nby me."]
    assert second.labels == [1, 0, 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,label\nFine,POSITIVE\nPrivate,maybe\n", "line 3: write one of the model's"),
        ("a.csv", "text,stars\nPrivate,5\n", "line 2: write one of the model's labels"),
        ("a.csv", "review,label\nPrivate,1\n", "line 2: write a text"),
        ("a.jsonl", '{"text": "Fine", "label": 1}\nPrivate\n', "line 2: write one JSON object"),
        ("a.jsonl", '{"text": " ", "label": 1}\n', "line 1: write a text"),
        ("a.jsonl", '{"text": "Private", "label": 2}\n', "line 1: write one of the model's labels"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Failure) as failure:
        labelled_sets(tmp_path, ["NEGATIVE", "POSITIVE"])
    assert message in str(failure.value)
    assert "Private" not in str(failure.value)


def run(monkeypatch: pytest.MonkeyPatch, model: Path, data: Path) -> None:
    arguments = ["calibrate", "--data", str(data), "--model", str(model)]
    monkeypatch.setattr(sys, "argv", arguments)
    main()


def test_a_checkpoint_and_a_folder_of_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The default model, on texts of which one in five has the wrong label."""
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(MODEL, model)
    data.mkdir()
    praise = [f"The {word} is wonderful." for word in ["film", "book", "room", "soup", "phone"]]
    rows = [(text, "POSITIVE") for text in praise] + [
        (text.replace("wonderful", "terrible"), "NEGATIVE") for text in praise
    ]
    wrong = [(praise[0], "NEGATIVE"), (praise[1].replace("wonderful", "terrible"), "POSITIVE")]
    lines = [
        json.dumps({"text": text, "label": label}) for text, label in (rows * 4 + wrong * 5) * 2
    ]
    (data / "reviews.jsonl").write_text("\n".join(lines))
    run(monkeypatch, model, data)
    calibration = json.loads((model / "calibration.json").read_text())
    assert calibration["temperature"] > 1.5
    assert calibration["texts"] == len(lines)
    assert calibration["fitted_on"] == ["reviews"]
    assert calibration["calibration_error"]["after"] < calibration["calibration_error"]["before"]
    assert calibration["coverage"][-1] == [1.0, 0.8]
    assert (model / "reliability.png").read_bytes().startswith(b"\x89PNG")
    assert "reviews" in capsys.readouterr().out


def test_too_few_texts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    with pytest.raises(Failure, match="has 5 labelled texts: put at least 100 there"):
        run(monkeypatch, MODEL, tmp_path)


def test_a_checkpoint_without_a_softmax_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(MODEL / name, tmp_path / name)
    config = json.loads((MODEL / "config.json").read_text())
    config["problem_type"] = "multi_label_classification"
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(Failure, match="no probabilities that sum to 1"):
        run(monkeypatch, tmp_path, tmp_path)


def test_a_folder_that_is_no_checkpoint_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(MODEL / "config.json", tmp_path / "config.json")
    with pytest.raises(Failure, match=r"has no tokenizer\.json and no tokenizer_config\.json"):
        run(monkeypatch, tmp_path, tmp_path)
