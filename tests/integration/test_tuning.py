"""One trial of `make tune` on a real server."""

import shutil
from pathlib import Path

import psutil
import pytest

from benchmarks.texts import bodies, read
from tuning import trial
from tuning.settings import Candidate
from tuning.target import Target


@pytest.mark.skipif(shutil.which("wrk") is None, reason="needs wrk, as in 'sudo apt install wrk'")
def test_a_candidate_is_served_with_its_settings_and_measured(
    archive: Path, tmp_path: Path
) -> None:
    candidate = Candidate(2, 1, 8, 2, 1024)
    with trial.started(candidate, archive, tmp_path / "served") as server:
        with server.management() as management:
            model = management.describe()
        assert model.ready_workers == len(model.workers) == model.max_workers == 2
        assert (model.batch_size, model.max_batch_delay) == (8, 2)
        # What the workers have read is in the archive that they have unpacked.
        java = server.java()
        assert java is not None
        temp = next(a.partition("=")[2] for a in java.cmdline() if "java.io.tmpdir" in a)
        (config,) = Path(temp).glob("models/*/model-config.yaml")
        text = config.read_text(encoding="utf-8")
        assert "\n  threads: 1\n" in text
        assert "\n  tokens_per_microbatch: 1024\n" in text
    assert not psutil.pid_exists(java.pid)

    sent = bodies(read([])["sentences"], 1)
    figures = trial.Trials(archive, tmp_path / "trial", sent, Target(), seconds=1).measure(
        candidate
    )
    assert (figures.errors, figures.connections) == (0, 64)
    assert figures.texts_per_second > 0
    assert figures.p50 is not None
    assert figures.p99 is not None
    assert figures.p50 <= figures.p99
