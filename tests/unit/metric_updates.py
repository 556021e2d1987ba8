"""TorchServe's own metrics of a worker, and the updates that it prints for its frontend."""

import re
import warnings
from collections import defaultdict
from functools import cache

import pytest
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl

from scripts.paths import ROOT

_LOGGER = "ts.metrics.caching_metric"
_UPDATE = re.compile(
    r"\[METRICS\](\w+)\.\w+:([0-9.e-]+)\|#(?:(.*),)?ModelName:sentiment,Level:Model\|.*"
)


@cache
def declared() -> MetricsCacheYamlImpl:
    """The metrics that `metrics.yaml` declares."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # TorchServe does not close the file
        metrics = MetricsCacheYamlImpl(str(ROOT / "metrics.yaml"))
    metrics.initialize_cache()
    return metrics


def updates(caplog: pytest.LogCaptureFixture) -> dict[str, float]:
    """The sum of the updates per series, such as "sentiment_labels_total label:POSITIVE".

    Fails the test if TorchServe refuses an update, or prints a line that its frontend cannot read.
    """
    sums: dict[str, float] = defaultdict(float)
    for record in caplog.records:
        if record.name == _LOGGER:
            match = _UPDATE.fullmatch(record.getMessage())
            assert match, record.getMessage()
            name, value, labels = match.groups()
            sums[f"{name} {labels or ''}".strip()] += float(value)
    return dict(sums)
