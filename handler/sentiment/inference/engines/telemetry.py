"""Keep the runtimes of the engines from sending telemetry and from using the network.

A worker must be silent however it was started. So it does this itself, before it imports a runtime,
and does not rely on the environment of the server.
"""

import os
import sys

_SETTINGS = {
    # Without it ONNX Runtime reports every session to Microsoft, and keeps a device id in ~/.cache.
    # Its `disable_telemetry_events()` does not prevent these files.
    "ORT_DISABLE_TELEMETRY": "1",
    # `transformers` and `huggingface_hub` read only the archive.
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def disable() -> None:
    """Turn off the telemetry of ONNX Runtime, OpenVINO and the Hugging Face libraries.

    Must be called before the first import of one of them; calling it again changes nothing.
    """
    os.environ.update(_SETTINGS)
    # OpenVINO reports to Google Analytics through this optional package. No variable turns it off
    # but CI=true. None makes its import fail.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
