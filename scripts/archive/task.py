"""Refuse a checkpoint whose `config.json` names another task than text classification.

This happens before `transformers` loads anything, so that no code of a checkpoint is ever run.
"""

from collections.abc import Collection, Mapping
from typing import Any

from scripts.failure import Failure

# Suffix of the architecture's name -> what such a model does.
_TASKS = {
    "ForTokenClassification": "labels each token",
    "ForMultipleChoice": "chooses among several answers",
    "ForQuestionAnswering": "finds an answer in a text",
    "ForQuestionAnsweringSimple": "finds an answer in a text",
    "ForNextSentencePrediction": "tells whether one sentence follows another",
    "ForMaskedLM": "fills in masked words",
    "WithLMHeadModel": "fills in masked words",
    "ForPreTraining": "was only pretrained",
    "ForCausalLM": "generates text",
    "LMHeadModel": "generates text",
    "ForConditionalGeneration": "generates text",
    "DoubleHeadsModel": "chooses among several answers",
    "ForImageClassification": "classifies images",
    "ForAudioClassification": "classifies sound",
    "EncoderModel": "has no head for any task",
    "Model": "has no head for any task",
}


def check_task(
    model: str,
    config: Mapping[str, Any],
    architectures: Collection[str],
    model_types: Collection[str],
) -> None:
    """Raise Failure unless `config` is that of a sequence classifier without custom code.

    `architectures` and `model_types` are those that `transformers` has. A config that names no
    architecture passes; its weights are checked later.
    """
    custom = config.get("auto_map") or {}
    known = config.get("model_type") in model_types
    if "AutoModelForSequenceClassification" in custom or (custom and not known):
        raise Failure(
            f"{model} needs custom code (auto_map in config.json), which is never run: package a "
            "checkpoint of an architecture that transformers has."
        )
    if config.get("custom_pipelines"):
        raise Failure(
            f"{model} has a custom pipeline (custom_pipelines in config.json), whose code is never "
            "run: remove the entry, if the checkpoint works without it."
        )
    names = config.get("architectures") or []
    names = [names] if isinstance(names, str) else list(names)
    if not names or any(name in architectures or _classifies(name) for name in names):
        return
    task = next((what for end, what in _TASKS.items() if names[0].endswith(end)), None)
    raise Failure(
        f"{model} is a {names[0]}{f', which {task}' if task else ''}: fine-tune it as a "
        "sequence classifier, whose architecture ends in ForSequenceClassification."
    )


def _classifies(name: Any) -> bool:
    return isinstance(name, str) and name.endswith("SequenceClassification")
