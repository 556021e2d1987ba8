"""Write docs/openapi.json: what the service says of itself, as it ships.

PYTHONPATH=handler python -m scripts.openapi
"""

import json

import yaml

from scripts.paths import ROOT
from sentiment.protocol import openapi
from sentiment.served_model import ServedModel
from sentiment.settings import Settings


def shipped() -> str:
    """The document of the default model under the default settings."""
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    names = json.loads((ROOT / "model" / "config.json").read_text(encoding="utf-8"))["id2label"]
    labels = [names[index] for index in sorted(names, key=int)]
    return openapi.render(ServedModel("sentiment", "1.0", labels, Settings.from_yaml(config)))


if __name__ == "__main__":
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "openapi.json").write_text(shipped() + "\n", encoding="utf-8")
