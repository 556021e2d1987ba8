"""A worker whose engine is permanently broken, as after some GPU errors, is replaced."""

from pathlib import Path

import pytest

from sentiment_client import BackendFailed
from tests.conftest import altered, running

ENGINE = "sentiment/inference/engines/engine.py"
# Every engine calls `arrays`, which fails while the file exists.
DYING = """

from pathlib import Path

_arrays = arrays


def arrays(rows, pad, step):
    if Path({flag!r}).exists():
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return _arrays(rows, pad, step)
"""


def test_a_worker_whose_engine_is_dead_is_replaced(archive: Path, tmp_path: Path) -> None:
    flag = tmp_path / "dead"
    broken = tmp_path / "store" / "sentiment.mar"
    dying = DYING.format(flag=str(flag)).encode()
    altered(archive, broken, ENGINE, lambda content: content + dying)
    with (
        running(broken, tmp_path) as server,
        server.client(max_retries=0) as client,
        server.client() as patient,
        server.management() as management,
    ):
        before = client.predict("Great!")
        (worker,) = management.describe().workers
        flag.touch()
        with pytest.raises(BackendFailed):
            client.predict("Great!")
        flag.unlink()
        assert patient.predict("Great!") == before
        (replaced,) = management.describe().workers
        assert replaced.pid != worker.pid
        assert "this worker ends" in server.last_lines(10_000)
