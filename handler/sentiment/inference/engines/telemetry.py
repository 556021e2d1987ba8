"""Keeps the runtimes of the engines from reporting to their makers and from using the network.

A worker must be silent whatever started it, so this is done in its own process, before a runtime
is imported, and does not rely on the environment of the server.
"""

import os
import sys

_SETTINGS = {
    # Without it ONNX Runtime reports every session to Microsoft, and keeps a device id in
    # ~/.cache. Its `disable_telemetry_events()` is no substitute: the files are written anyway.
    "ORT_DISABLE_TELEMETRY": "1",
    # `transformers` and `huggingface_hub` read nothing but the archive.
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def disable() -> None:
    """Turn off the telemetry of ONNX Runtime, OpenVINO and the Hugging Face libraries.

    Must be called before the first import of one of them; calling it again changes nothing.
    """
    os.environ.update(_SETTINGS)
    # OpenVINO reports to Google Analytics through this package, which is optional. No variable
    # turns it off: it is only silent where CI=true is set. A None makes its import fail.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
