"""No command, from `make archive` to `make stop`, contacts another machine.

The commands run in a namespace that records every attempt: see namespace.py.
"""

import shutil
from pathlib import Path

import pytest

from scripts.paths import ROOT
from tests.checkpoints import checkpoint
from tests.conftest import altered
from tests.integration.browser import CHROMIUM, NEEDS_CHROMIUM
from tests.integration.namespace import NEEDS_NAMESPACES, Report, permitted, run

PYTHON = str(ROOT / ".venv" / "bin" / "python")
ADDRESS = "http://127.0.0.1:8080"
ENGINES = ("int8", "fp32", "torch")
PREDICT = """
import sys
from sentiment_client import ManagementClient, SentimentClient
engine = sys.argv[1]
with ManagementClient() as management, SentimentClient("127.0.0.1:8080", model=engine) as client:
    management.scale(1, model=engine)  # returns when its worker is ready
    print(engine, client.predict("A gripping, beautifully shot film."))
"""
ONNX = """
import onnx, onnxruntime
from onnx import TensorProto, helper
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""
OPENVINO = "import openvino, time; time.sleep(1)\n"
HUB = """
import huggingface_hub
try:
    huggingface_hub.model_info("google-bert/bert-base-uncased")
except huggingface_hub.errors.OfflineModeIsEnabled:
    pass
"""
PLOT = """
import importlib.util
if importlib.util.find_spec("matplotlib"):
    from matplotlib import pyplot
    pyplot.figure()
"""
BROWSER = """
from playwright.sync_api import sync_playwright
from tests.integration.browser import chromium
with sync_playwright() as playwright, chromium(playwright) as browser:
    page = browser.new_page()
    page.goto("data:text/html,<textarea>text</textarea>")
    page.wait_for_timeout(3000)
"""
# Programs that are not silent, and the field of `Report` that shows it.
LOUD = {
    "a name": ("packets", "import socket; socket.getaddrinfo('example.org', 80)"),
    "an address": ("packets", "import socket; socket.create_connection(('192.0.2.1', 80))"),
    "a proxy": ("proxied", "import requests; requests.get('http://example.org')"),
    "the home folder": ("files", "import pathlib; pathlib.Path('~/x').expanduser().touch()"),
    "another folder": ("files", "import pathlib; pathlib.Path('/etc/x').touch()"),
    "OpenVINO": ("proxied", OPENVINO),
    "ONNX Runtime": ("files", ONNX),
    "the hub": ("proxied", HUB),
}


pytestmark = pytest.mark.skipif(not permitted(), reason=NEEDS_NAMESPACES)


def test_no_command_and_no_engine_uses_the_network(checkout: Path, work: Path) -> None:
    def module(name: str, *arguments: str) -> list[str]:
        return [str(checkout), PYTHON, "-m", name, *arguments]

    model = checkpoint(work / "model", id2label={0: "NEGATIVE", 1: "POSITIVE"})
    built = run(work, [module("scripts.archive.build", "--model", str(model))], ROOT)
    assert_silent(built)

    store = checkout / "model_store"
    for engine in ENGINES:
        add_model(store, engine)
    properties = checkout / "config.properties"
    settings = properties.read_text().replace("load_models=sentiment.mar", "load_models=all")
    properties.write_text(f"{settings}\ndefault_workers_per_model=1\n")
    launcher = "scripts.launcher"
    predictions = [[str(checkout), PYTHON, "-c", PREDICT, engine] for engine in ENGINES]
    hosted = [
        str(ROOT),
        "env",
        "no_proxy=127.0.0.1",
        PYTHON,
        "-m",
        "tests.integration.hosted",
        ADDRESS,
    ]
    commands = [module(launcher, "serve"), *predictions, hosted, module(launcher, "stop")]
    served = run(work, commands, ROOT)
    assert_silent(served)
    for engine in ENGINES:
        assert f"{engine} Prediction(" in served.output
    for client in ("comprehend", "openai", "litellm", "azure", "google"):
        assert f"\n{client} " in served.output
    assert served.output.endswith("Stopped.\n")


def add_model(store: Path, engine: str) -> None:
    """Add a copy of the archive to the store that is served by `engine` and has its name."""
    folder = store.parent / engine
    altered(
        store / "sentiment.mar",
        folder / "engine.mar",
        "model-config.yaml",
        lambda content: content.replace(b"engine: auto", f"engine: {engine}".encode()),
    )
    (store / f"{engine}.mar").parent.mkdir(exist_ok=True)
    altered(
        folder / "engine.mar",
        folder / "renamed" / f"{engine}.mar",
        "MAR-INF/MANIFEST.json",
        lambda content: content.replace(b'"sentiment"', f'"{engine}"'.encode()),
    )
    shutil.move(folder / "renamed" / f"{engine}.mar", store)


def assert_silent(report: Report) -> None:
    assert report.status == 0, report.output
    assert report.packets == []
    assert report.proxied == []
    assert [path for path in report.files if not path.startswith(f"{ROOT}/")] == []


def test_ray_does_not_use_the_network(work: Path, archive: Path) -> None:
    source, target = work / "in.txt", work / "out.csv"
    source.write_text("A good film.\n")
    command = [str(work), PYTHON, "-m", "sentiment_client", "score", str(source)]
    command += ["--output", str(target), "--archive", str(archive), "--ray", "--processes", "1"]
    scored = run(work, [command], ROOT)
    assert_silent(scored)
    assert scored.output == f"1 rows scored: {target}\n"


@pytest.mark.skipif(CHROMIUM is None, reason=NEEDS_CHROMIUM)
def test_the_browser_of_the_tests_does_not_use_the_network(work: Path) -> None:
    assert_silent(run(work, [[str(ROOT), PYTHON, "-c", BROWSER]], ROOT))


@pytest.mark.parametrize("package", ["scripts", "benchmarks", "tuning", "training"])
def test_importing_our_packages_silences_other_libraries(work: Path, package: str) -> None:
    """Libraries: both runtimes, the hub, and matplotlib if it is installed."""
    code = f"import {package}\n{OPENVINO}{ONNX}{HUB}{PLOT}"
    assert_silent(run(work, [[str(ROOT), PYTHON, "-c", code]], ROOT))


@pytest.mark.parametrize("kind", LOUD)
def test_the_watch_detects_programs_that_use_the_network(work: Path, kind: str) -> None:
    where, code = LOUD[kind]
    report = run(work, [[str(work), PYTHON, "-c", code]], ROOT)
    assert getattr(report, where), report
