"""The archive and the server that tests ask: the real ones, built and started once."""

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

# What a loaded machine takes for an example says nothing about the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

# A user's own settings must not lead a test to another server.
for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
    del os.environ[name]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the default model, in a model store of its own."""
    path = tmp_path_factory.mktemp("store") / "sentiment.mar"
    if is_current(MODEL_STORE / path.name):
        shutil.copyfile(MODEL_STORE / path.name, path)
    else:
        build(str(ROOT / "model"), path)
    return path


def is_current(archive: Path) -> bool:
    """Whether `make serve` has built it, of the default model, and would not build it again."""
    model = archive.with_suffix(".model")
    if not model.exists() or model.read_text(encoding="utf-8") != "model":
        return False
    question = ["make", "--question", "--silent", str(archive.relative_to(ROOT))]
    return subprocess.run(question, cwd=ROOT, capture_output=True, check=False).returncode == 0


def altered(
    archive: Path, target: Path, member: str, change: Callable[[bytes], bytes], without: str = "/"
) -> None:
    """Copy an archive with one member changed, into a new folder; some may be left out."""
    target.parent.mkdir()
    with zipfile.ZipFile(archive) as good, zipfile.ZipFile(target, "w") as copy:
        for name in good.namelist():
            if name.startswith(without):
                continue
            content = good.read(name)
            copy.writestr(name, change(content) if name == member else content)


@pytest.fixture(scope="session")
def server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """TorchServe with the configuration that ships, on free ports, allowing registration."""
    with running(archive, tmp_path_factory.mktemp("server"), enable_model_api="true") as started:
        yield started


@contextlib.contextmanager
def running(archive: Path, folder: Path, **changes: str) -> Iterator[Server]:
    """Start a server of `archive` with some settings changed, and stop it whatever happens."""
    server = isolated_server(archive.parent, folder, **changes)
    try:
        server.start()
    except Failure as failure:
        pytest.fail(f"{failure}\n{failure.log}")
    try:
        yield server
    finally:
        server.stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Divide the tests among the processes of `-n 2 --dist loadgroup`.

    The files that share a server come first and run in one process, one after the other. Any other
    file is a group of its own.
    """
    shared = {item.path for item in items if "server" in getattr(item, "fixturenames", ())}
    for item in items:
        group = "server" if item.path in shared else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: item.path not in shared)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line that says what was skipped, and what to do for it to run."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    if reasons:
        skipped = "; ".join(f"{count} ({reason})" for reason, count in reasons.items())
        terminalreporter.write_line(f"Skipped tests: {skipped}")
