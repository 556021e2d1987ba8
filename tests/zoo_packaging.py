"""A checkpoint of the zoo, prepared as `make archive` does it, but without an archive."""

import contextlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.archive import export
from scripts.archive.checkpoint import save_checkpoint
from scripts.archive.texts import comparison_texts, save_texts
from scripts.failure import Failure
from sentiment.inference import engines
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Engine
from sentiment.inference.tokenizer import Tokenizer, longest_input
from tests.zoo import Kind, make

THREADS = 2


@dataclass
class Package:
    """What the build makes of a kind: engines, or a `refusal`. `log` is what it prints."""

    folder: Path
    refusal: str = ""
    log: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.refusal:
            return
        checkpoint = Checkpoint.read(self.folder)
        self.max_tokens = min(512, longest_input(self.folder, checkpoint.max_positions))
        self.tokenizer = Tokenizer(self.folder, self.max_tokens)
        self.engines: dict[str, Engine] = {
            name: engines.load(name, self.folder, checkpoint.pad_token_id, THREADS)
            for name in self.record
        }

    @property
    def layout(self) -> str:
        """The row layout of the exported model, or that of torch with its name."""
        if "fp32" in self.record:
            return str(self.record["fp32"]["layout"])
        return f"torch, {self.record['torch']['layout']}"


def package(kind: Kind, folder: Path) -> Package:
    """Make a checkpoint of that kind and prepare it for serving in `folder`."""
    model = folder / "model"
    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log):
            make(kind, folder / "saved")
            _, tokenizer = save_checkpoint(str(folder / "saved"), model)
            save_texts(comparison_texts(tokenizer), model)
            try:
                export.add_engines(model)
            except Exception as error:
                print(f"  not exported: {export.root_cause(error)}")
    except Failure as failure:
        return Package(model, refusal=str(failure), log=log.getvalue())
    record = json.loads((model / engines.AGREEMENT_FILE).read_text(encoding="utf-8"))
    return Package(model, log=log.getvalue(), record=record)


def pipeline_logits(folder: Path, texts: Sequence[str], max_tokens: int) -> NDArray[np.float32]:
    """Logits [texts, labels] of `transformers`' text-classification pipeline, each text alone."""
    from transformers import pipeline

    classify: Any = pipeline(
        "text-classification",
        model=str(folder),
        dtype="float32",
        device="cpu",
        top_k=None,
        function_to_apply="none",
        truncation=True,
        max_length=max_tokens,
    )
    labels = Checkpoint.read(folder).labels
    rows = []
    for text in texts:
        (entries,) = classify([text])
        scores = {entry["label"]: entry["score"] for entry in entries}
        rows.append([scores[label] for label in labels])
    return np.array(rows, np.float32)
