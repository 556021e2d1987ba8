"""One version number: the installed package, the client and the changelog agree."""

import importlib.metadata
import json
import re
import tomllib

import sentiment
from scripts.paths import ROOT
from sentiment_client import SentimentClient, __version__
from tests.unit.scripted_server import scripted


def test_the_installed_package_has_the_clients_version() -> None:
    assert importlib.metadata.version("torchserve-sentiment") == __version__


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d$", changelog, re.MULTILINE)
    assert headings[0] == __version__
    assert headings == sorted(headings, key=lambda v: [*map(int, v.split("."))], reverse=True)


def test_the_client_sends_its_version() -> None:
    answer = {"sentiment": "POSITIVE", "score": 1.0, "scores": {"POSITIVE": 1.0}, "tokens": 3}
    with scripted((200, json.dumps(answer | {"truncated": False}).encode())) as server:
        with SentimentClient(server.address) as client:
            client.predict("Good.")
    (_, _, headers, _) = server.requests[0]
    assert headers["User-Agent"] == f"sentiment-client/{__version__}"


def test_the_published_package_depends_only_on_what_the_client_needs() -> None:
    """Dependencies of developers are in dependency groups, which the metadata omits."""
    metadata = importlib.metadata.metadata("torchserve-sentiment")
    assert metadata.get_all("Provides-Extra") == ["async", "grpc", "data", "local", "ray"]
    assert metadata["License-Expression"] == "Apache-2.0"
    requirements = metadata.get_all("Requires-Dist") or []
    without_engine = [item for item in requirements if not re.search(r'"(local|ray)"', item)]
    names = {re.split(r"[<>=;]", item)[0] for item in without_engine}
    assert names == {"requests", "httpx", "grpcio", "protobuf", "pyarrow", "tqdm"}
    assert [item for item in requirements if "extra" not in item] == ["requests<3,>=2.32"]


def test_dependencies_of_developers_are_pinned_exactly() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for group, requirements in project["dependency-groups"].items():
        for item in requirements:
            assert isinstance(item, dict) or "==" in item, (group, item)


def test_the_openapi_document_has_the_clients_version() -> None:
    assert sentiment.__version__ == __version__
