"""What the files in deploy/ ask of a server, asked of a real one."""

import re
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from scripts.launcher.server import Server
from scripts.paths import ROOT
from sentiment_client import SentimentClient

KUBERNETES = ROOT / "deploy" / "kubernetes"


def probes(path: Path) -> list[dict[str, Any]]:
    """The `httpGet` of every probe in a file."""
    found = []
    waiting = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += [value["httpGet"]] if "httpGet" in value else []
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


@pytest.mark.parametrize("name", ["sentiment.yaml", "kserve.yaml"])
def test_the_server_answers_each_probe(server: Server, name: str) -> None:
    paths = [probe["path"] for probe in probes(KUBERNETES / name)]
    assert len(paths) == 3
    for path in paths:
        answer = requests.get(server.properties.inference + path, timeout=30)
        assert answer.status_code == 200, path


def test_prometheus_finds_what_it_scrapes(server: Server, client: SentimentClient) -> None:
    client.predict("I like you.")
    answer = requests.get(f"{server.properties.metrics}/metrics", timeout=10)
    # Prometheus 3 refuses a response without a content type that it knows.
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    rule = (KUBERNETES / "adapter.yaml").read_text(encoding="utf-8")
    series = re.search(r"seriesQuery: (\w+)", rule)
    assert series is not None
    assert re.search(rf"^{series[1]}{{.+}} [0-9.]+$", answer.text, re.MULTILINE)
