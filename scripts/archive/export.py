"""Export a checkpoint for the engines that are faster than torch, and check each of them.

    python -m scripts.archive.export FOLDER

FOLDER holds what `save_pretrained` wrote, and may hold the texts to compare engines on (see
`texts.py`). This adds `model.xml` with `model.bin` for OpenVINO, `model.int8.onnx` with
`model.int8.bin` for ONNX Runtime, `engines.json` with the engines that passed, and what a worker
needs to choose one of them. An engine passes if it agrees with the torch engine and scores a text
in any batch as it scores it alone. The files of an engine that fails are deleted; torch always
remains.

`build.py` runs this in a separate process, since an exporter may crash on an architecture that it
was not made for. On failure the exit code is not 0, and the last line is the reason.
"""

import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from scripts.archive.golden import save_golden
from scripts.archive.independence import batch_effect, score_alone
from scripts.archive.packing import Inputs, Variant, variants
from scripts.archive.pruning import select_early
from scripts.archive.quantization import fits_half, quantize
from scripts.archive.reference import Reference
from scripts.archive.texts import GOLDEN_TEXTS, saved_texts
from scripts.archive.tolerance import TOLERANCES, difference
from sentiment.inference import engines
from sentiment.inference.activation import activation_for
from sentiment.inference.agreement import Agreement
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.cpu import has_bf16
from sentiment.inference.engines.engine import Engine
from sentiment.inference.engines.torch_engine import load_model
from sentiment.inference.microbatches import microbatches
from sentiment.inference.trial import Trial, run, try_engines

FP32, INT8 = engines.MODEL_FILES["fp32"], engines.MODEL_FILES["int8"]
# Weights in a file of their own are mapped, so that workers share those that are used as they are:
# the embeddings. A tiny model has none.
INT8_WEIGHTS = "model.int8.bin"
# An opset that both runtimes read.
OPSET = 23
# Characters of an exporter's message that are shown.
_LONGEST_REASON = 150
# Tokens per microbatch when the engines are compared.
TOKENS = 1024

Record = dict[str, Any]


def main() -> None:
    """Export; on failure exit with the root cause."""
    try:
        add_engines(Path(sys.argv[1]))
    except Exception as error:
        sys.exit(root_cause(error))


def root_cause(error: BaseException) -> str:
    """The type and the first line of the error that caused `error`."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line[:_LONGEST_REASON]}"


def add_engines(folder: Path) -> None:
    """Measure torch, then export and quantize; raises what the exporter raises."""
    reference = measure_torch(folder)
    # Both runtimes fuse the plain operators of "eager" into faster ones than PyTorch's attention.
    model = load_model(folder, dtype=torch.float32, attn_implementation="eager")
    checkpoint = Checkpoint.read(folder)
    candidates = variants(model, checkpoint.pad_token_id, token_types=checkpoint.token_types)
    for number, (variant, inputs) in enumerate(candidates, 1):
        try:
            return add_variant(folder, variant, inputs, reference)
        except Exception as error:
            if number == len(candidates):
                raise
            print(f"  not with {variant.description}: {root_cause(error)}")


def measure_torch(folder: Path) -> Reference:
    """Write the row layout of the torch engine, which serves what cannot be exported."""
    reference = Reference(folder, threads())
    layout, effect = reference.engine.layout, reference.batch_effect
    print(f"  torch: other texts change logits by at most {effect:.1g} ({layout} rows)")
    write(folder, {"torch": {"layout": layout, "batch_effect": effect}})
    return reference


def add_variant(folder: Path, variant: Variant, inputs: Inputs, reference: Reference) -> None:
    """Export one variant for all engines; raises what the exporter raises, or ValueError."""
    exported = folder / "exported.onnx"
    export(variant, inputs, exported)
    model = onnx.load(exported)
    exported.unlink()
    select_early(model)
    convert(model, folder / FP32)
    (folder / INT8_WEIGHTS).unlink(missing_ok=True)  # of another variant
    onnx.save(quantize(model), folder / INT8, save_as_external_data=True, location=INT8_WEIGHTS)
    print(f"  with {variant.description}:")
    passed = measure(folder, reference)
    choose_engine(folder, reference, passed)


def export(variant: Variant, inputs: Inputs, path: Path) -> None:
    """Write the model to `path` in fp32, for any number of texts and tokens."""
    any_size = {
        name: dict.fromkeys(range(array.ndim), torch.export.Dim.DYNAMIC)
        for name, array in inputs.items()
    }
    torch.onnx.export(
        variant.eval(),
        tuple(inputs.values()),
        path,
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=tuple(any_size.values()),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )


def convert(model: onnx.ModelProto, path: Path) -> None:
    """Convert the model for OpenVINO; weights in fp16 if that is exact."""
    import openvino

    weights = [numpy_helper.to_array(weight) for weight in model.graph.initializer]
    matrices = [weight for weight in weights if weight.ndim > 1 and weight.dtype == np.float32]
    half = all(fits_half(matrix) for matrix in matrices)
    # As bytes, since OpenVINO splits a path at its commas.
    converted = openvino.convert_model(io.BytesIO(model.SerializeToString()))
    openvino.save_model(converted, path, compress_to_fp16=half)


def measure(folder: Path, reference: Reference) -> dict[str, Record]:
    """Write and return the record of the engines that pass; raises ValueError if fp32 does not."""
    checkpoint = Checkpoint.read(folder)
    activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    ids = reference.tokenize(saved_texts(folder))
    expected = batched(reference.engine, ids)
    record: dict[str, Record] = {}
    # fp32 first: if it fails, the exported graph is wrong, which the others share.
    for name in ("fp32", "int8", "bf16"):
        if name == "bf16" and not has_bf16():
            continue
        try:
            engine = engines.load(name, folder, checkpoint.pad_token_id, threads())
            effect = check_independence(name, engine, reference)
            agreement = Agreement.of(batched(engine, ids), expected, activation)
            if not agreement.good:
                raise ValueError(f"it agrees too little with torch ({agreement})")
        except Exception as error:
            if name == "fp32":
                raise
            print(f"  {name}: not used ({root_cause(error)})")
            continue
        print(f"  {name}: {agreement}; other texts change logits by at most {effect:.1g}")
        record[name] = {**agreement.record(), "layout": engine.layout, "batch_effect": effect}
    if "int8" not in record:
        for file in (INT8, INT8_WEIGHTS):
            (folder / file).unlink(missing_ok=True)
    torch_record = {"layout": reference.engine.layout, "batch_effect": reference.batch_effect}
    return write(folder, {**record, "torch": torch_record})


def choose_engine(folder: Path, reference: Reference, passed: Mapping[str, Record]) -> None:
    """Add the golden texts, and the choice of an engine for this CPU.

    bf16 is a candidate even where it could not be measured: another CPU may have it. The others
    have just been loaded in this process, so they are tried in it.
    """
    checkpoint = Checkpoint.read(folder)
    ids = reference.tokenize(saved_texts(folder, GOLDEN_TEXTS))
    activation = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    save_golden(folder, ids, batched(reference.engine, ids), activation)
    untried = set() if has_bf16() else {"bf16"}
    candidates = [name for name in engines.MODEL_FILES if name in {*passed, *untried}]

    def attempt(folder: Path, name: str, threads: int) -> Trial:
        if name not in passed:
            return Trial(error="needs another CPU")
        return run(folder, name, threads)

    print(f"  {try_engines(folder, candidates, threads(), attempt)}")


def check_independence(name: str, engine: Engine, reference: Reference) -> float:
    """Return the engine's batch effect (see `batch_effect`).

    Raises ValueError if the effect, or a difference from the reference, exceeds its tolerance.
    """
    tolerance = TOLERANCES[name]
    logits = score_alone(engine, reference.texts)
    off = difference(logits, reference.logits, reference.value_range)
    if tolerance.reference is not None and not off <= tolerance.reference:
        raise ValueError(
            f"it does not compute what the checkpoint computes (logits off by {off:.1g})"
        )
    effect = batch_effect(engine, reference.texts, logits, reference.value_range)
    if not effect <= tolerance.batch_effect:
        raise ValueError(f"a text's score depends on other texts (logits off by {effect:.1g})")
    return effect


def batched(engine: Engine, texts: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
    """Logits [texts, labels] of token ids, int32 [tokens], scored in microbatches."""
    parts = []
    order: list[int] = []
    for rows in microbatches(
        [len(text) for text in texts],
        tokens=TOKENS,
        layout=engine.layout,
        pad_to_multiple_of=engine.pad_to_multiple_of,
    ):
        parts.append(engine.logits([[texts[index] for index in row] for row in rows]))
        order += [index for row in rows for index in row]
    logits = np.concatenate(parts)
    restored = np.empty_like(logits)
    restored[order] = logits
    return restored


def write(folder: Path, record: dict[str, Record]) -> dict[str, Record]:
    """Write `engines.json`, and return its content."""
    (folder / engines.AGREEMENT_FILE).write_text(json.dumps(record, indent=2), encoding="utf-8")
    return record


def threads() -> int:
    """Number of threads to measure with."""
    return os.cpu_count() or 1


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main()
