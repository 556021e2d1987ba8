"""The served OpenAPI document is the committed one, and describes the service correctly."""

import json
from pathlib import Path

import pytest
import requests
from openapi_spec_validator import validate

from scripts.launcher.server import Server
from scripts.openapi import shipped
from scripts.paths import ROOT
from tests.integration.fuzzing import fuzz
from tests.integration.load import Counters, counted

COMMITTED = ROOT / "docs" / "openapi.json"
# Generated cases per operation, in addition to those that cover its schema.
EXAMPLES = 650

# What the clients of hosted services add to their base address.
HOSTED = (
    *("", "/predict", "/moderations", "/v1/moderations", "/classify", "/v1/classify"),
    *(f"/{version}/documents:analyzeSentiment" for version in ("v1", "v1beta2", "v2")),
    *(f"/text/analytics/{version}/sentiment" for version in ("v3.0", "v3.1")),
    "/language/:analyze-text",
)


def test_the_served_document_is_the_committed_one(url: str) -> None:
    response = requests.get(f"{url}/1.0/openapi.json", timeout=10)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == json.loads(COMMITTED.read_text()), "run 'make docs'"
    assert response.text == shipped()


def test_the_document_is_valid_openapi_and_names_every_route() -> None:
    document = json.loads(COMMITTED.read_text())
    validate(document)
    assert document["openapi"].startswith("3.1.")
    assert set(document["paths"]) == {
        "/predictions/sentiment",
        *(f"/predictions/sentiment/1.0{path}" for path in HOSTED),
        "/predictions/sentiment/1.0/openapi.json",
        "/predictions/sentiment/1.0/info",
        "/predictions/sentiment/1.0/ready",
        "/predictions/sentiment/1.0/health",
        "/sentiment/predict",
        "/invocations",
        "/v1/models/sentiment:predict",
        "/v2/models/sentiment/infer",
    }


@pytest.mark.usefixtures("same_workers")
def test_generated_requests_are_answered_as_the_document_says(
    server: Server, url: str, counters: Counters, tmp_path: Path
) -> None:
    """No 5xx, only documented answers; valid bodies are accepted and others refused."""
    before = counters()
    report = tmp_path / "report.json"
    address = server.properties.inference
    fuzz(address, "schemathesis.toml", EXAMPLES, "--report-json-path", report)
    cases = json.loads(report.read_text())["test_cases"]["generated"]
    assert cases >= 5_000  # with 650 examples for each of five operations
    reached = counted(counters, before, cases)["sentiment_requests_total"]
    assert reached > 0.99 * cases  # TorchServe itself answers the rest
