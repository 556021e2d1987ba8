"""Keeps every process that we start off the network, and its caches out of the home folder.

Importing `scripts`, `benchmarks`, `tuning` or `training` applies this, before anything else is
imported; child processes inherit it. The workers of TorchServe, which may be started without any
of these, have their own: `handler/sentiment/inference/engines/telemetry.py`.
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
    # A convention that several tools follow: for whatever comes with a later release.
    "DO_NOT_TRACK": "1",
}
_OFFLINE = "HF_HUB_OFFLINE"
_OFFLINE_BY_USER = _OFFLINE in os.environ


def silence() -> None:
    """Turn off telemetry, the Hugging Face hub and caches in the home folder, in this process.

    Nor does a request to a server of this machine go through a proxy.
    """
    os.environ.update(_SETTINGS)
    os.environ[_OFFLINE] = "1"
    os.environ["MPLCONFIGDIR"] = str(ROOT / ".run" / "matplotlib")
    # OpenVINO's converter reports through this package, which is optional.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    bypass_proxies(("127.0.0.1", "localhost", "::1"))


def bypass_proxies(hosts: Iterable[str]) -> None:
    """Have this process and its children reach `hosts` directly, whatever proxy is set."""
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if listed.strip() == "*":
        return
    names = [name for name in listed.split(",") if name]
    merged = ",".join(dict.fromkeys([*names, *hosts]))
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = merged


def allow_hub() -> None:
    """Let this process fetch a model from the Hugging Face hub, unless its user forbids it.

    To be called before `huggingface_hub` is imported, and only for a model that the user has named.
    """
    if not _OFFLINE_BY_USER:
        os.environ[_OFFLINE] = "0"
