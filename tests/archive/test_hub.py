"""A checkpoint that is named on the Hugging Face hub: what is asked of the hub."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch
from safetensors.torch import load_file

from scripts.paths import ROOT
from tests.checkpoints import checkpoint

NAME = "someone/something"
BUILD = """
import sys
from pathlib import Path
from scripts.archive.checkpoint import save_checkpoint
save_checkpoint(sys.argv[1], Path(sys.argv[2]))
"""


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The address of a hub whose one repository is `folder`, and the paths of its requests."""
    paths: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            paths.append(self.path)
            file, content = folder / self.path.rpartition("/")[2], None
            if self.path == f"/api/models/{NAME}":
                content = b'{"id": "%s", "private": false}' % NAME.encode()
            elif "/resolve/" in self.path and file.is_file():
                content = file.read_bytes()
            self.send_response(404 if content is None else 200)
            self.send_header("X-Repo-Commit", "0" * 40)
            if content is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            else:
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_GET = do_POST = do_HEAD

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", paths
        server.shutdown()


def test_the_hub_is_asked_for_files_alone_and_never_to_convert_them(tmp_path: Path) -> None:
    """`transformers` has checkpoints without safetensors converted, by a service of the hub."""
    folder = checkpoint(tmp_path / "own")
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    with hub(folder) as (address, paths):
        environment = {name: value for name, value in os.environ.items() if "HF_" not in name}
        done = subprocess.run(
            [sys.executable, "-c", BUILD, NAME, tmp_path / "saved"],
            cwd=ROOT,
            env=environment | {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert any(path.endswith("/pytorch_model.bin") for path in paths)
    # The first steps of a conversion: it looks for an earlier one.
    assert [path for path in paths if "/commits/" in path or "/discussions" in path] == []
