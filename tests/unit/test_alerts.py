"""Prometheus accepts the files of deploy/, and docs/ explains the metrics and the alerts."""

import re
import shutil
import subprocess

import pytest
import yaml

from scripts.paths import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
DOCUMENT = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
METRICS = yaml.safe_load((ROOT / "metrics.yaml").read_text(encoding="utf-8"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Prometheus: apt-get install prometheus"
)


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


def test_each_alert_has_a_test_of_its_rule() -> None:
    tests = yaml.safe_load((FOLDER / "alerts_test.yml").read_text(encoding="utf-8"))["tests"]
    expected = {
        test["alertname"]
        for group in tests
        for test in group["alert_rule_test"]
        if test.get("exp_alerts")
    }
    assert expected == {rule["alert"] for rule in RULES}


def test_each_alert_says_what_to_do() -> None:
    headings = re.findall(r"^### (Sentiment\w+)$", RUNBOOK, re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"


def test_each_metric_is_explained() -> None:
    declared = {
        re.sub("_(bucket|sum|count)$", "", metric["name"])
        for section in METRICS.values()
        for metrics in section.values()
        for metric in metrics
    }
    explained = set(re.findall(r"`(\w+)`", DOCUMENT))
    assert declared <= explained
