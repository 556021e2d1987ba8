"""What is served: facts with which an answer can be explained later, and answers be compared."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sentiment import __version__
from sentiment.served_model import ServedModel

# The settings that clients can run into.
_LIMITS = (
    "max_texts_per_request",
    "max_chars_per_text",
    "max_response_bytes",
    "max_tokens",
    "max_windows",
    "explain_tokens",
)


def info(model: ServedModel, facts: Mapping[str, object]) -> dict[str, Any]:
    """The model's name, version and labels, the limits of requests, and the classifier's facts.

    Clients of Text Embeddings Inference read the fields of `_tei`.
    """
    settings = msgspec.structs.asdict(model.settings)
    return {
        "model": model.name,
        "version": model.version,
        "service": __version__,
        "labels": list(model.labels),
        "threshold": model.settings.threshold,
        "limits": {name: settings[name] for name in _LIMITS},
        **facts,
        **_tei(model),
    }


def _tei(model: ServedModel) -> dict[str, Any]:
    """What Text Embeddings Inference says about a classifier, as far as it is known here.

    "version" is that of the model. A text longer than "max_input_length" is read in windows.
    """
    names = {str(index): label for index, label in enumerate(model.labels)}
    classifier = {"id2label": names, "label2id": {label: int(i) for i, label in names.items()}}
    return {
        "model_id": model.name,
        "model_type": {"classifier": classifier},
        "max_input_length": model.settings.max_tokens,
        "max_client_batch_size": model.settings.max_texts_per_request,
        "auto_truncate": True,
    }
