"""Every engine of the archive agrees with the reference."""

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from scripts.archive import build as archives
from scripts.archive import export
from scripts.archive.checkpoint import MODEL_FILES
from scripts.archive.reference import Reference
from scripts.archive.texts import CORPUS, save_texts
from sentiment.inference import engines
from sentiment.inference.agreement import Agreement
from sentiment.inference.classifier import Classifier
from sentiment.inference.engines.cpu import has_bf16
from sentiment.inference.engines.engine import Rows
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction
from sentiment.inference.trial import choose
from tests.checkpoints import unexportable

TEXTS = CORPUS.read_text(encoding="utf-8").splitlines()
needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="this CPU has no AMX in bf16")
needs_avx2_alone = pytest.mark.skipif(
    "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8"),
    reason="int8 to the last bit was seen on AVX2 only",
)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
ENGINES = [pytest.param("bf16", marks=needs_bf16), "int8", "fp32"]


def load(model: Path, engine: str, gpu: int | None = None) -> Classifier:
    return Classifier(
        model, max_tokens=512, tokens_per_microbatch=512, threads=2, engine=engine, gpu=gpu
    )


def logits(classifier: Classifier) -> NDArray[np.float32]:
    results = classifier.classify(TEXTS, Options("none", max_tokens=512))
    rows = [list(result.scores.values()) for result in results if isinstance(result, Prediction)]
    assert len(rows) == len(TEXTS)
    return np.array(rows, np.float32)


Logits = Callable[[str], NDArray[np.float32]]


@pytest.fixture(scope="module")
def logits_of(model: Path) -> Logits:
    """Returns the logits of TEXTS by an engine, which are computed once."""
    return functools.cache(lambda engine: logits(load(model, engine)))


@pytest.fixture(scope="module")
def reference(logits_of: Logits) -> NDArray[np.float32]:
    return logits_of("torch")


def test_fp32_logits_are_within_1e_4_of_torch(
    logits_of: Logits, reference: NDArray[np.float32]
) -> None:
    np.testing.assert_allclose(logits_of("fp32"), reference, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_agrees_with_the_reference(
    logits_of: Logits, reference: NDArray[np.float32], engine: str
) -> None:
    assert Agreement.of(logits_of(engine), reference, "softmax").good


@pytest.mark.parametrize(
    ("engine", "most"),
    [
        pytest.param("bf16", 0.03, marks=needs_bf16),
        ("int8", 0.03),
        # The same bits: anything else would soon be a step of its scale.
        pytest.param("int8", 1e-6, marks=needs_avx2_alone),
        ("fp32", 1e-4),
    ],
)
def test_the_score_of_a_text_does_not_depend_on_its_batch(
    model: Path, engine: str, most: float
) -> None:
    classifier = load(model, engine)
    assert classifier.scorer.engine.layout == "packed"
    together = classifier.classify(TEXTS[:64])
    for text, got in zip(TEXTS, together, strict=False):
        (alone,) = classifier.classify([text])
        assert isinstance(got, Prediction)
        assert isinstance(alone, Prediction)
        assert got.scores == pytest.approx(alone.scores, abs=most)


def test_the_last_layer_is_computed_only_for_the_tokens_that_the_head_reads(model: Path) -> None:
    graph = onnx.load(model / engines.MODEL_FILES["int8"], load_external_data=False).graph
    kinds = [node.op_type for node in graph.node]
    assert kinds[kinds.index("GatherND") :].count("Gelu") == 1


@pytest.mark.parametrize(("engine", "weights"), [("int8", "model.int8.bin"), ("fp32", "model.bin")])
def test_workers_share_the_weights_that_an_engine_maps(
    model: Path, engine: str, weights: str
) -> None:
    loaded = load(model, engine)
    assert str(model / weights) in Path("/proc/self/maps").read_text(encoding="utf-8")
    assert loaded.engine == engine


@needs_gpu
def test_a_gpu_agrees_with_the_reference(model: Path, reference: NDArray[np.float32]) -> None:
    classifier = load(model, "auto", gpu=0)
    assert classifier.engine == "torch"
    assert Agreement.of(logits(classifier), reference, "softmax").good


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_whose_file_is_missing_is_named(model: Path, tmp_path: Path, engine: str) -> None:
    shutil.copytree(model, tmp_path / "model")
    (tmp_path / "model" / engines.MODEL_FILES[engine]).unlink()
    with pytest.raises(ValueError, match=f"handler.engine '{engine}'"):
        load(tmp_path / "model", engine)


def test_an_int8_engine_that_changes_labels_is_not_shipped(
    model: Path, reference: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruined = tmp_path / "model"
    shutil.copytree(model, ruined)
    # A few texts show it, and more would take a minute. Of 40 texts, no label may change: these are
    # the clearest ones, so that only the ruined engine changes any.
    lead = np.diff(np.sort(reference)[:, -2:]).ravel()  # of the best label over the next one
    save_texts([TEXTS[index] for index in lead.argsort()[-40:]], ruined)
    monkeypatch.setattr("scripts.archive.reference.probes", lambda *_: TEXTS[:4])
    path = ruined / engines.MODEL_FILES["int8"]
    graph = onnx.load(path)
    for weight in graph.graph.initializer:
        if weight.data_type in (onnx.TensorProto.INT8, onnx.TensorProto.UINT8) and weight.dims:
            values = numpy_helper.to_array(weight)
            weight.CopyFrom(numpy_helper.from_array(np.flip(values).copy(), weight.name))
    onnx.save(graph, path)
    shipped = set(json.loads((model / engines.AGREEMENT_FILE).read_text(encoding="utf-8")))
    assert set(export.measure(ruined, Reference(ruined, 2))) == shipped - {"int8"}
    assert not path.exists()


@pytest.mark.parametrize(
    ("got", "good"),
    [
        ([2.0, 2.0, 2.0, -2.0], True),
        ([2.0, 2.0, -2.0, -2.0], False),  # a label changes
        ([2.0, 2.0, 0.1, -2.0], False),  # a score moves
        ([2.0, 2.0, np.nan, -2.0], False),
    ],
)
def test_agreement_compares_labels_and_scores(got: list[float], good: bool) -> None:
    expected = np.array([[value, 0.0] for value in [2.0, 2.0, 2.0, -2.0]], np.float32)
    changed = np.array([[value, 0.0] for value in got], np.float32)
    assert Agreement.of(changed, expected, "softmax").good is good


@pytest.mark.parametrize(
    ("got", "good"),
    [
        ([[4.0, 3.0, -3.0], [2.0, -1.0, -1.0]], True),
        ([[4.0, -3.0, -3.0], [2.0, -1.0, -1.0]], False),  # the top label stays, another is lost
    ],
)
def test_agreement_of_a_multi_label_model_covers_every_label(
    got: list[list[float]], good: bool
) -> None:
    expected = np.array([[4.0, 3.0, -3.0], [2.0, -1.0, -1.0]], np.float32)
    assert Agreement.of(np.array(got, np.float32), expected, "sigmoid").good is good


def test_agreement_of_one_logit_compares_signs() -> None:
    expected = np.array([[0.05], [-0.05]], np.float32)
    assert Agreement.of(expected, expected, "sigmoid").good
    assert not Agreement.of(-expected, expected, "sigmoid").good


def test_torch_serves_a_model_that_cannot_be_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = unexportable(tmp_path / "own")
    files = set(folder.iterdir())
    archives.export(folder)
    assert "The export failed, so torch will serve" in capsys.readouterr().out
    kept = {path for path in files if path.name in MODEL_FILES}
    assert set(folder.iterdir()) == kept | {folder / engines.AGREEMENT_FILE}
    assert choose(folder, threads=2).engine == "torch"


@pytest.mark.parametrize(
    ("engine", "tokens"), [pytest.param("bf16", 2048, marks=needs_bf16), ("int8", 1024)]
)
def test_auto_microbatches_have_the_best_size_for_the_engine(
    model: Path, engine: str, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = Classifier(model, max_tokens=512, threads=2, engine=engine)
    sizes = []
    scored = classifier.scorer.engine.logits

    def logits(rows: Rows) -> NDArray[np.float32]:
        sizes.append(sum(len(text) for row in rows for text in row))
        return scored(rows)

    monkeypatch.setattr(classifier.scorer.engine, "logits", logits)
    classifier.classify([f"{number} " + "good " * 509 for number in range(7)])
    assert max(sizes) == tokens


@dataclass(frozen=True)
class Loaded:
    """A process that has loaded an engine as a worker does, on top of torch."""

    modules: set[str]
    torch_bytes: int
    engine_bytes: int


LOAD = """
import sys
from pathlib import Path
import psutil
import torch
before = psutil.Process().memory_info().rss
from sentiment.inference.classifier import Classifier
Classifier(Path("model"), max_tokens=512, threads=1, engine=sys.argv[1]).warm_up()
print(before, psutil.Process().memory_info().rss - before, *sys.modules)
"""


@pytest.fixture(scope="module")
def in_a_worker(model: Path) -> Callable[[str], Loaded]:
    """Loads an engine in a new process, once per engine."""

    @functools.cache
    def load(engine: str) -> Loaded:
        done = subprocess.run(
            [sys.executable, "-P", "-c", LOAD, engine],
            cwd=model.parent,
            env=os.environ | {"PYTHONPATH": str(model.parent)},
            capture_output=True,
            text=True,
            check=True,
        )
        torch_bytes, engine_bytes, *modules = done.stdout.split()
        return Loaded(set(modules), int(torch_bytes), int(engine_bytes))

    return load


@pytest.mark.parametrize(
    ("engine", "others"),
    [
        pytest.param("bf16", {"transformers", "onnxruntime"}, marks=needs_bf16),
        ("int8", {"transformers", "openvino"}),
        ("fp32", {"transformers", "onnxruntime"}),
        ("torch", {"onnxruntime", "openvino"}),
    ],
)
def test_a_worker_imports_its_own_engine_and_no_other(
    in_a_worker: Callable[[str], Loaded], engine: str, others: set[str]
) -> None:
    modules = in_a_worker(engine).modules
    assert "sentiment.inference.classifier" in modules
    assert not others & modules


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_takes_less_than_250_mb_on_top_of_torch(
    in_a_worker: Callable[[str], Loaded], engine: str
) -> None:
    loaded = in_a_worker(engine)
    print(
        f"torch {loaded.torch_bytes / 1e6:.0f} MB, {engine} {loaded.engine_bytes / 1e6:.0f} MB more"
    )
    assert loaded.engine_bytes < 250e6
