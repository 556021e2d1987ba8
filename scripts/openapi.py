"""Write docs/openapi.json, the OpenAPI document of the default service.

PYTHONPATH=handler python -m scripts.openapi
"""

import json

import yaml

from scripts.paths import MODEL, ROOT
from sentiment.inference.tokenizer import Tokenizer
from sentiment.protocol import openapi
from sentiment.served_model import ServedModel
from sentiment.settings import Settings


def shipped() -> str:
    """The document of the default model under the default settings."""
    config = yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text(encoding="utf-8"))
    names = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))["id2label"]
    labels = [names[index] for index in sorted(names, key=int)]
    settings = Settings.from_yaml(config)
    min_tokens = Tokenizer(MODEL, settings.max_tokens).min_tokens
    return openapi.render(ServedModel("sentiment", "1.0", labels, settings, min_tokens))


if __name__ == "__main__":
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "openapi.json").write_text(shipped() + "\n", encoding="utf-8")
