"""The real archive and a real server, built and started once per session."""

import contextlib
import os
import shutil
import subprocess
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from scripts.archive.build import build
from scripts.failure import Failure
from scripts.launcher.server import Server, isolated_server
from scripts.paths import MODEL_STORE, ROOT

# No deadline per example: a busy machine is slow.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

# The user's settings must not direct a test to another server.
for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the default model, in its own model store."""
    path = tmp_path_factory.mktemp("store") / "sentiment.mar"
    if is_current(MODEL_STORE / path.name):
        shutil.copyfile(MODEL_STORE / path.name, path)
    else:
        build(str(ROOT / "model"), path)
    return path


def is_current(archive: Path) -> bool:
    """Whether `archive` holds the default model and `make` considers it up to date."""
    model = archive.with_suffix(".model")
    if not model.exists() or model.read_text(encoding="utf-8") != "model":
        return False
    question = ["make", "--question", "--silent", str(archive.relative_to(ROOT))]
    return subprocess.run(question, cwd=ROOT, capture_output=True, check=False).returncode == 0


def altered(
    archive: Path, target: Path, member: str, change: Callable[[bytes], bytes], without: str = "/"
) -> None:
    """Copy an archive to a new folder with `member` changed, without members under `without`."""
    target.parent.mkdir()
    with zipfile.ZipFile(archive) as good, zipfile.ZipFile(target, "w") as copy:
        for name in good.namelist():
            if name.startswith(without):
                continue
            content = good.read(name)
            copy.writestr(name, change(content) if name == member else content)


def with_version(version: str) -> Callable[[bytes], bytes]:
    """The change of an archive's manifest that gives it another version."""
    return lambda content: content.replace(
        b'"modelVersion": "1.0"', f'"modelVersion": "{version}"'.encode()
    )


@pytest.fixture(scope="session")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """TorchServe with the default configuration, on free ports; models can be registered."""
    with running(archive, tmp_path_factory.mktemp("server"), enable_model_api="true") as started:
        yield started


@contextlib.contextmanager
def running(archive: Path, folder: Path, **changes: str) -> Iterator[Server]:
    """Start a server of `archive` with some `changes` of settings, and always stop it."""
    server = isolated_server(archive.parent, folder, **changes)
    try:
        server.start()
    except Failure as failure:
        pytest.fail(f"{failure}\n{failure.log}")
    try:
        yield server
    finally:
        server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line with the number of skipped tests per reason."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    if reasons:
        skipped = "; ".join(f"{count} ({reason})" for reason, count in reasons.items())
        terminalreporter.write_line(f"Skipped tests: {skipped}")
