"""A checkpoint of the zoo, prepared as `make archive` does it, but without an archive."""

import contextlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.archive import build, export
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
            build.save_checkpoint(str(folder / "saved"), model)
            try:
                export.add_engines(model)
            except Failure:
                raise
            except Exception as error:
                print(f"  not exported: {export.root_cause(error)}")
    except Failure as failure:
        return Package(model, refusal=str(failure), log=log.getvalue())
    record = json.loads((model / engines.AGREEMENT_FILE).read_text(encoding="utf-8"))
    return Package(model, log=log.getvalue(), record=record)
