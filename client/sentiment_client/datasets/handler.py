"""The handler of an unpacked archive, in this process and without TorchServe."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Self

# TorchServe kills a worker that is slow, so the handler stops a batch after some seconds. Here
# nobody waits for a batch.
_BATCH_SECONDS = 86_400
_HEADERS = {"url_path": "", "Content-Type": "application/json"}


_handler: "_Handler | None" = None


def answers(folder: Path, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """The status and the body of the answer to each request, as the server would answer.

    The bodies are JSON. The first call, which may have no requests, loads the archive, on one
    thread; a process can load one. Raises ImportError if the archive needs a package that is
    missing. Ends the process if the engine is dead.
    """
    global _handler
    try:
        if _handler is None:
            _handler = _Handler(folder, threads=1)
        return _handler.answers(bodies) if bodies else []
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"The local engine needs {missing.name}: pip install 'torchserve-sentiment[local]'."
        ) from None
    except SystemExit:  # as the handler ends a worker
        os._exit(1)


class _Handler:
    """The handler, loaded and warmed up."""

    def __init__(self, folder: Path, threads: int) -> None:
        import yaml

        sys.path.insert(0, str(folder))
        manifest = json.loads((folder / "MAR-INF" / "MANIFEST.json").read_text(encoding="utf-8"))
        model = manifest["model"]
        config = yaml.safe_load((folder / model["configFile"]).read_text(encoding="utf-8"))
        config["handler"] |= {"threads": threads, "batch_seconds": _BATCH_SECONDS}
        self._context = _Context(folder, manifest, config)
        self._handler = import_module(Path(model["handler"]).stem).SentimentHandler()
        self._handler.initialize(self._context)

    def answers(self, bodies: Sequence[bytes]) -> list[tuple[int, bytes]]:
        self._context.statuses = {}
        contents = self._handler.handle([{"body": body} for body in bodies], self._context)
        return [(self._context.statuses[i], content) for i, content in enumerate(contents)]


class _Context:
    """What the handler uses of TorchServe's `ts.context.Context`."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any], config: object) -> None:
        self.system_properties = {"model_dir": str(folder), "gpu_id": None}
        self.model_name = manifest["model"]["modelName"]
        self.manifest, self.model_yaml_config = manifest, config
        self.metrics = self
        self.statuses: dict[int, int] = {}

    def get_request_id(self, index: int) -> str:
        return f"number {index}"

    def get_all_request_header(self, index: int) -> Mapping[str, str]:
        return _HEADERS

    def set_response_status(self, code: int, phrase: str, idx: int) -> None:
        self.statuses[idx] = code

    def set_response_content_type(self, request_id: int, value: str) -> None:
        """Ignore it: it is always JSON."""

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Ignore it: the headers have timings."""

    def get_metric(self, name: str) -> Self:
        """Any metric."""
        return self

    def add_or_update(self, value: float, labels: Sequence[str]) -> None:
        """Ignore the value of a metric: there is no one to read it."""
