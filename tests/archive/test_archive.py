"""The archive holds exactly what the handler needs; one that cannot be served is not built."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.archive.build import build, check
from scripts.archive.export import INT8_WEIGHTS
from scripts.archive.texts import CORPUS
from scripts.failure import Failure
from scripts.paths import ROOT
from sentiment.inference.engines import AGREEMENT_FILE
from sentiment.inference.engines import MODEL_FILES as ENGINE_MODEL_FILES
from sentiment.inference.trial import CHOICE_FILE, GOLDEN_FILE
from tests.checkpoints import checkpoint

MODEL = ROOT / "model"
MODEL_FILES = {f"model/{name}" for name in ("config.json", "model.safetensors", "tokenizer.json")}
MODEL_FILES |= {"model/tokenizer_config.json"}
# A checkpoint without it loads: its logits are not scaled.
CALIBRATION = "model/calibration.json"
ENGINE_FILES = {
    f"model/{name}"
    for name in (
        AGREEMENT_FILE,
        GOLDEN_FILE,
        CHOICE_FILE,
        "model.bin",
        INT8_WEIGHTS,
        *ENGINE_MODEL_FILES.values(),
    )
}


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    with zipfile.ZipFile(archive) as content:
        content.extractall(tmp_path / "unpacked")
    return tmp_path / "unpacked"


def test_the_archive_holds_the_handler_the_model_and_the_manifest(archive: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        names = {name for name in content.namelist() if not name.endswith("/")}
        manifest = json.loads(content.read("MAR-INF/MANIFEST.json"))
        assert {entry.compress_type for entry in content.infolist()} == {zipfile.ZIP_STORED}
    handler = {
        str(path.relative_to(ROOT / "handler"))
        for path in (ROOT / "handler").rglob("*")
        if path.suffix in (".py", ".yaml", ".html")
    }
    assert names == handler | MODEL_FILES | ENGINE_FILES | {CALIBRATION, "MAR-INF/MANIFEST.json"}
    assert manifest["model"]["modelName"] == "sentiment"
    assert manifest["model"]["handler"] == "sentiment_handler.py"
    assert manifest["model"]["configFile"] == "model-config.yaml"


def test_the_handler_imports_every_module_of_the_archive_and_none_from_the_repository(
    unpacked: Path,
) -> None:
    code = """
import sys, json
from pathlib import Path
import sentiment_handler
import sentiment.inference.engines.torch_engine  # imported only where it is the engine
files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
print(json.dumps(sorted(str(Path(file).resolve()) for file in files if file)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=unpacked,
        env=os.environ | {"PYTHONPATH": str(unpacked), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {Path(file) for file in json.loads(done.stdout)}
    assert set(unpacked.rglob("*.py")) <= imported
    for other in ("handler", "client", "scripts", "tests"):
        assert not [file for file in imported if file.is_relative_to(ROOT / other)]


DATA_FILES = sorted(MODEL_FILES | {"model-config.yaml"})
# Checks the archive without each of the files of the arguments, and with all of them last.
LOAD = """
import json, sys
from pathlib import Path
from scripts.archive import check
model, texts, *names = sys.argv[1:]
sys.argv[1:] = model, texts
def loads():
    try:
        check.main()
    except (Exception, SystemExit):
        return False
    return True
result = {}
for name in names:
    path = Path(name)
    aside = path.rename(path.with_name("aside"))
    result[name] = loads()
    aside.rename(path)
print(json.dumps(result | {"": loads()}))
"""


@pytest.fixture(scope="module")
def loads(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """Whether a process like a worker can load the archive without a file and score with it.

    "" is the whole archive. One process tries them all, since its imports take most of the time.
    """
    folder = tmp_path_factory.mktemp("loaded")
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOAD, MODEL, CORPUS, *DATA_FILES],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize("name", DATA_FILES)
def test_the_archive_does_not_load_if_a_data_file_is_missing(
    loads: dict[str, bool], name: str
) -> None:
    assert not loads[name]


def test_the_archive_loads(loads: dict[str, bool]) -> None:
    assert loads[""]


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"num_labels": 1}, ["LABEL_0"]),
        (
            {"num_labels": 4, "problem_type": "multi_label_classification"},
            ["LABEL_0", "LABEL_1", "LABEL_2", "LABEL_3"],
        ),
    ],
    ids=["one logit", "multi-label"],
)
def test_any_classifier_is_packaged_with_its_own_labels(
    tmp_path: Path, changes: dict[str, Any], labels: list[str]
) -> None:
    # `build` itself compares every score with transformers' pipeline.
    assert build(str(checkpoint(tmp_path / "own", **changes)), tmp_path / "own.mar") == labels
    assert (tmp_path / "own.mar").exists()


def test_a_failed_build_leaves_the_old_archive_and_no_other_file(tmp_path: Path) -> None:
    output = tmp_path / "store" / "sentiment.mar"
    output.parent.mkdir()
    output.write_bytes(b"the good one")
    (tmp_path / "empty").mkdir()
    with pytest.raises(Failure, match="cannot be loaded"):
        build(str(tmp_path / "empty"), output)
    assert output.read_bytes() == b"the good one"
    assert [path.name for path in output.parent.iterdir()] == ["sentiment.mar"]


def test_a_handler_that_does_not_load_is_refused(archive: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mar"
    shutil.copy(archive, broken)
    with zipfile.ZipFile(broken, "a") as content, pytest.warns(UserWarning, match="Duplicate"):
        content.writestr("model-config.yaml", "handler: {}\n")
    with pytest.raises(Failure, match='The field "engine" is missing'):
        check(broken, tmp_path / "unpacked", str(MODEL), CORPUS)
