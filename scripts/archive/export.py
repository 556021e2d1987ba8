"""Export a checkpoint for the engines that are faster than torch, and measure each of them.

    python -m scripts.archive.export FOLDER

FOLDER holds what `save_pretrained` wrote, and may hold the texts to compare engines on (see
`texts.py`). Beside it come `model.xml` with `model.bin` for OpenVINO,
`model.int8.onnx` for ONNX Runtime, and `engines.json` with the engines that agree with torch on the
texts; an int8 that does not is taken away again. Run by `archive.py` in a process of its
own, since an exporter may do anything, up to ending its process, to an architecture that it was not
made for; its exit code is then not 0 and its last line the reason.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from scripts.archive.agreement import Agreement, differences
from scripts.archive.packing import Inputs, Packed, Padded, forms
from scripts.archive.quantization import fits_half, quantise
from scripts.archive.texts import saved_texts
from sentiment.inference import engines
from sentiment.inference.activation import activation_for
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.cpu import has_bf16
from sentiment.inference.engines.engine import Engine
from sentiment.inference.microbatches import microbatches
from sentiment.inference.tokenizer import Tokenizer, longest_input

FP32, INT8 = engines.FILES["fp32"], engines.FILES["int8"]
# One that both runtimes read.
OPSET = 23
# fp32 in another runtime differs by the order of its sums alone.
TOLERANCE = 1e-3
# Of a microbatch, as the engines are compared.
TOKENS = 1024


def main() -> None:
    """Do it; ends with the first line of the first cause where that fails."""
    try:
        add_engines(Path(sys.argv[1]))
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ or cause.__context__:
            cause = cause.__cause__ or cause.__context__ or cause
        said = str(cause).strip().splitlines() or [""]
        sys.exit(f"{type(cause).__name__}: {said[0]}")


def add_engines(folder: Path) -> None:
    """Export, quantise, measure; raises whatever the exporter does."""
    from transformers import AutoModelForSequenceClassification

    model: Any = AutoModelForSequenceClassification.from_pretrained(
        folder,
        dtype=torch.float32,
        local_files_only=True,
        # Of plain operators, which the runtimes fuse into something faster than their own one.
        attn_implementation="eager",
    )
    *better, (form, inputs) = forms(model.eval(), Checkpoint.read(folder).pad_token_id)
    for better_form, better_inputs in better:
        try:
            return add_form(folder, better_form, better_inputs)
        except Exception as error:
            print(f"  not with {better_form.said}: {type(error).__name__}")
    add_form(folder, form, inputs)


def add_form(folder: Path, form: Padded | Packed, inputs: Inputs) -> None:
    """The same, of one form."""
    exported = folder / "exported.onnx"
    export(form, inputs, exported)
    model = onnx.load(exported)
    convert(exported, model, folder / FP32)
    onnx.save(quantise(model), folder / INT8)
    exported.unlink()
    print(f"  with {form.said}:")
    measured = measure(folder)
    (folder / engines.MEASURED).write_text(
        json.dumps({name: agreement.record() for name, agreement in measured.items()}, indent=2),
        encoding="utf-8",
    )


def export(form: Padded | Packed, inputs: Inputs, path: Path) -> None:
    """Write the model to `path` in fp32, for any number of texts and tokens."""
    any_size = {
        name: dict.fromkeys(range(array.ndim), torch.export.Dim.DYNAMIC)
        for name, array in inputs.items()
    }
    torch.onnx.export(
        form.eval(),
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


def convert(exported: Path, model: onnx.ModelProto, path: Path) -> None:
    """Write what was exported, and read as `model`, for OpenVINO; weights in fp16 if all fit."""
    import openvino

    weights = [numpy_helper.to_array(weight) for weight in model.graph.initializer]
    matrices = [weight for weight in weights if weight.ndim > 1 and weight.dtype == np.float32]
    half = all(fits_half(matrix) for matrix in matrices)
    openvino.save_model(openvino.convert_model(exported), path, compress_to_fp16=half)


def measure(folder: Path) -> dict[str, Agreement]:
    """The engines that agree with torch, best first; those that do not are said, and left out."""
    checkpoint = Checkpoint.read(folder)
    function = activation_for(checkpoint.problem_type, len(checkpoint.labels))
    threads = os.cpu_count() or 1
    tokenizer = Tokenizer(folder, min(512, longest_input(folder, checkpoint.max_positions)))
    ids = [tokens.ids for tokens in tokenizer(saved_texts(folder))]
    reference = _logits(engines.load("torch", folder, checkpoint.pad_token_id, threads), ids)
    measured = {}
    for name in ("bf16", "int8", "fp32"):
        if name == "bf16" and not has_bf16():
            continue
        try:
            logits = _logits(engines.load(name, folder, checkpoint.pad_token_id, threads), ids)
        except Exception as error:
            if name == "fp32":
                raise
            print(f"  {name}: {type(error).__name__}: refused")
            continue
        agreement = Agreement.of(logits, reference, function)
        largest = differences(logits, reference, function).max()
        exact = name != "fp32" or bool(largest <= TOLERANCE)
        good = agreement.good and exact
        print(f"  {name}: {agreement}{'' if good else ': refused'}")
        if good:
            measured[name] = agreement
    if "int8" not in measured:
        (folder / INT8).unlink()
    if "fp32" not in measured:
        raise ValueError("the exported model computes something else than the checkpoint")
    return measured


def _logits(engine: Engine, ids: Sequence[NDArray[np.int32]]) -> NDArray[np.float32]:
    """Logits [texts, labels] in the order of `ids`, the texts' tokens."""
    lengths = [len(text) for text in ids]
    found = []
    order: list[int] = []
    for rows in microbatches(lengths, tokens=TOKENS, step=engine.step, packs=engine.packs):
        found.append(engine.logits([[ids[index] for index in row] for row in rows]))
        order += [index for row in rows for index in row]
    logits = np.concatenate(found)
    restored = np.empty_like(logits)
    restored[order] = logits
    return restored


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    main()
