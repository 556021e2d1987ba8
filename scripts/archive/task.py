"""What a checkpoint was made for, by its `config.json`: anything but classifying texts is refused.

Read before `transformers` loads anything, so that no code that comes with a checkpoint is run.
"""

from collections.abc import Collection, Mapping
from typing import Any

from scripts.failure import Failure

# The end of the architecture's name -> what such a model does.
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
    """Raise Failure unless `config` is that of a sequence classifier, without code of its own.

    `architectures` and `model_types` are those that `transformers` has. A config that names no
    architecture is left to its weights.
    """
    custom = config.get("auto_map") or {}
    known = config.get("model_type") in model_types
    if "AutoModelForSequenceClassification" in custom or (custom and not known):
        raise Failure(
            f"{model} needs code of its own (auto_map in config.json), which is never run: package "
            "a checkpoint of an architecture that transformers has."
        )
    if config.get("custom_pipelines"):
        raise Failure(
            f"{model} brings a pipeline of its own (custom_pipelines in config.json), whose code "
            "is never run: remove the entry, if the checkpoint works without."
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
