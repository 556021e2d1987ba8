"""The handler's section of model-config.yaml."""

from typing import Any

import pytest
import yaml

from scripts.launcher.properties import Properties
from scripts.paths import ROOT
from sentiment.settings import Settings

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text())


def test_the_default_settings_are_complete() -> None:
    settings = Settings.from_yaml(CONFIG)
    assert settings.max_tokens == 512
    # TorchServe kills a worker that takes longer, or whose answer is longer.
    assert settings.batch_seconds <= CONFIG["responseTimeout"] / 2
    limits = Properties.read(ROOT / "config.properties").values
    assert settings.max_response_bytes < int(limits["max_response_size"])


def test_batching_and_workers_are_set_in_one_file() -> None:
    model = Properties.read(ROOT / "config.properties").models["sentiment"]["1.0"]
    assert {"batchSize", "maxBatchDelay", "minWorkers", "maxWorkers"} <= set(model)
    assert not set(model) & set(CONFIG)


def test_every_text_that_may_be_sent_fits_into_a_body() -> None:
    longest = Settings.from_yaml(CONFIG).max_chars_per_text * len("😀".encode())
    body = int(Properties.read(ROOT / "config.properties").values["max_request_size"])
    assert longest < body


def test_the_requests_of_a_full_queue_fit_into_memory() -> None:
    properties = Properties.read(ROOT / "config.properties").values
    queued = int(properties["job_queue_size"]) * int(properties["max_request_size"])
    for option in ("-Xmx", "-XX:MaxDirectMemorySize="):
        _, _, rest = properties["vmargs"].partition(option)
        assert queued * 2 < int(rest.split("m")[0]) << 20, option


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"max_token": 1}, 'There is no field named "max_token"'),
        ({"threads": 0}, '"threads": Expected a whole number >= 1'),
        ({"threads": "2"}, '"threads": Expected a whole number, got a string'),
        ({"threads": True}, "got a boolean"),
        ({"threads": 1.5}, "got a number"),
        ({"threads": None}, "got null"),
        ({"tokens_per_microbatch": "most"}, 'Expected a whole number or "auto"'),
        ({"tokens_per_microbatch": 0}, "a whole number >= 1"),
        ({"engine": "fp8"}, '"engine": Expected "auto" or "bf16"'),
        ({"engine": 1}, "Expected a string"),
    ],
)
def test_the_error_names_a_wrong_setting(change: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Settings.from_yaml({"handler": CONFIG["handler"] | change})


@pytest.mark.parametrize("config", [None, {}, {"handler": None}, {"handler": []}])
def test_the_error_names_a_missing_section(config: dict[str, object] | None) -> None:
    with pytest.raises(ValueError, match="no section named 'handler'"):
        Settings.from_yaml(config)


def test_the_error_names_a_missing_setting() -> None:
    with pytest.raises(ValueError, match='The field "engine" is missing'):
        Settings.from_yaml({"handler": {"threads": 1}})


def test_workers_and_their_threads_fit_two_cores() -> None:
    model = Properties.read(ROOT / "config.properties").models["sentiment"]["1.0"]
    assert model["maxWorkers"] * Settings.from_yaml(CONFIG).threads <= 2
