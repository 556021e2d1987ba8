"""Keep our processes off the network, and their caches out of the home directory.

Importing `scripts`, `benchmarks`, `tuning` or `training` applies this, before anything else is
imported; child processes inherit it. TorchServe may be started without any of these, so its workers
do the same in `handler/sentiment/inference/engines/telemetry.py`.
"""

import os
import sys
from collections.abc import Iterable

from scripts.paths import ROOT

_SETTINGS = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # `transformers` would ask a service of the hub to convert a checkpoint without safetensors.
    "DISABLE_SAFETENSORS_CONVERSION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A convention of several tools, in case a later release adds telemetry.
    "DO_NOT_TRACK": "1",
}
_OFFLINE = "HF_HUB_OFFLINE"
_OFFLINE_BY_USER = _OFFLINE in os.environ


def silence() -> None:
    """Turn off telemetry, the Hugging Face hub and caches in the home directory, in this process.

    Requests to this machine bypass any proxy.
    """
    os.environ.update(_SETTINGS)
    os.environ[_OFFLINE] = "1"
    os.environ["MPLCONFIGDIR"] = str(ROOT / ".run" / "matplotlib")
    # OpenVINO's converter reports through this optional package; None makes its import fail.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    bypass_proxies(("127.0.0.1", "localhost", "::1"))


def bypass_proxies(hosts: Iterable[str]) -> None:
    """Let this process and its children connect to `hosts` without a proxy."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if listed.strip() == "*":
        return
    names = [name for name in listed.split(",") if name]
    merged = ",".join(dict.fromkeys([*names, *hosts]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = merged


def allow_hub() -> None:
    """Let this process download from the Hugging Face hub, unless the user set HF_HUB_OFFLINE.

    Call it before `huggingface_hub` is imported, and only for a model that the user has named.
    """
    if not _OFFLINE_BY_USER:
        os.environ[_OFFLINE] = "0"
