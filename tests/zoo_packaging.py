"""Prepare a checkpoint of the zoo as `make archive` does, but without an archive."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.archive import export
from scripts.archive.check import as_input
from scripts.archive.checkpoint import save_checkpoint
from scripts.archive.independence import score_alone
from scripts.archive.probes import special_tokens
from scripts.archive.reference import Reference
from scripts.archive.texts import comparison_texts, save_texts
from scripts.archive.tolerance import difference
from scripts.failure import Failure
from sentiment.inference import engines
from sentiment.inference.checkpoint import Checkpoint
from sentiment.inference.engines.engine import Engine
from sentiment.inference.tokenizer import Tokenizer, longest_input
from sentiment.inference.tokens import Pair, Text
from tests.vocabularies import SentencepieceOnly
from tests.zoo import POSITIONS, Kind

THREADS = 1
TEXTS = ("A gripping film.", "Dull, and far too long! " * 3, "No. " * 200, "It")


@dataclass
class Package:
    """The result of the build for one kind: engines, or a `refusal`; `log` is its output."""

    folder: Path
    refusal: str = ""
    log: str = ""
    record: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.refusal:
            return
        checkpoint = Checkpoint.read(self.folder)
        self.max_tokens = min(512, longest_input(self.folder, checkpoint.max_positions))
        self.takes_pairs = checkpoint.takes_pairs
        self.tokenizer = Tokenizer(
            self.folder,
            self.max_tokens,
            takes_pairs=checkpoint.takes_pairs,
            token_types=checkpoint.token_types,
        )
        self.engines: dict[str, Engine] = {
            name: engines.load(name, self.folder, checkpoint.pad_token_id, THREADS)
            for name in self.record
        }
        is_regression = checkpoint.problem_type == "regression"
        self.value_range = Reference(self.folder, THREADS).value_range if is_regression else None

    @property
    def layouts(self) -> dict[str, str]:
        """The row layout of each engine, by its name."""
        return {name: str(entry["layout"]) for name, entry in self.record.items()}


def package(kind: Kind, folder: Path, exports: bool) -> Package:
    """Prepare a checkpoint of `kind` in `folder`, for all engines or (fast) for torch alone."""
    model = folder / "model"
    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log):
            make(kind, folder / "saved")
            _, tokenizer = save_checkpoint(str(folder / "saved"), model)
            save_texts(comparison_texts(tokenizer), model)
            try:
                if exports:
                    export.add_engines(model)
                else:
                    export.measure_torch(model)
            except Exception as error:
                print(f"  not exported: {export.root_cause(error)}")
    except Failure as failure:
        return Package(model, refusal=str(failure), log=log.getvalue())
    return Package(model, log=log.getvalue(), record=engines.read_record(model))


def make(kind: Kind, folder: Path) -> Path:
    """Save a random checkpoint of `kind` to `folder`."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = kind.vocabulary()
    if not isinstance(tokenizer, SentencepieceOnly):
        # Positions of RoBERTa and its relatives start at padding_idx + 1, so fewer are left.
        tokenizer.model_max_length = POSITIONS - 4
    tokenizer.save_pretrained(folder)
    config = AutoConfig.for_model(
        kind.model_type,
        **kind.config,
        **kind.changes,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id if kind.pad == "config" else kind.pad,
    )
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():  # large enough that different texts have different scores
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1 if "embed" in name else 1.5 * weight.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    return folder


def pipeline_differences(packaged: Package) -> dict[str, float]:
    """Largest difference of each engine's logits from those of `transformers`' pipeline.

    Relative to a text's largest logit; see `difference`.
    """
    specials = special_tokens(packaged.folder)
    texts: list[Text] = [*TEXTS, *(f"A {special} film {special}{special}" for special in specials)]
    if packaged.takes_pairs:
        texts += [Pair(text, other) for text in texts for other in TEXTS if isinstance(text, str)]
    tokens = packaged.tokenizer(texts)
    texts = [text for text, encoded in zip(texts, tokens, strict=True) if len(encoded.ids)]
    expected = pipeline_logits(packaged.folder, texts, packaged.max_tokens)
    ids = [encoded.ids for encoded in tokens if len(encoded.ids)]
    return {
        name: difference(score_alone(engine, ids), expected, packaged.value_range)
        for name, engine in packaged.engines.items()
    }


def pipeline_logits(folder: Path, texts: Sequence[Text], max_tokens: int) -> NDArray[np.float32]:
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
        (entries,) = classify([as_input(text)])
        scores = {entry["label"]: entry["score"] for entry in entries}
        rows.append([scores[label] for label in labels])
    return np.array(rows, np.float32)
