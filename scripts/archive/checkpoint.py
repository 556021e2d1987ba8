"""Load a checkpoint with `transformers` and save what the handler needs, or say why not."""

import json
import shutil
from pathlib import Path
from typing import Any

from scripts.archive.labels import label_names
from scripts.archive.pairs import PAIRS, is_inference, save_pairs
from scripts.archive.task import check_task
from scripts.archive.vocabulary import check_vocabulary, file_of, load_tokenizer, read_json
from scripts.failure import Failure, first_line
from scripts.silence import allow_hub

# What `make calibrate` writes; the handler reads it under this name.
CALIBRATION = "calibration.json"
MODEL_FILES = (
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"),
    *(CALIBRATION, PAIRS),
)
# Entries of a config that make libraries load the checkpoint's own code.
_CUSTOM_CODE = ("auto_map", "custom_pipelines")
# Text of which any vocabulary knows some tokens.
_TEXT = "A good film. ACGT \u597d"


def save_checkpoint(model: str, folder: Path, *, pairs: bool = False) -> tuple[list[str], Any]:
    """Save the model and the tokenizer of `model`, a directory or a name on the hub, to `folder`.

    `pairs` says that it was trained on pairs of texts; models with the labels of natural language
    inference always were. Returns the labels, in the order of the logits, and the tokenizer. Raises
    Failure, with one sentence, for a checkpoint that cannot be served.
    """
    if not Path(model).is_dir():
        if Path(model).exists() or model.startswith(("/", ".", "~")):
            raise Failure(f"{model} is not a directory: name one that save_pretrained wrote.")
        allow_hub()  # nothing but a model on the hub is ever downloaded
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        checkpoint, labels = _load_model(model)
        tokenizer = load_tokenizer(model)
        check_vocabulary(model, tokenizer, _embedding_rows(checkpoint))
        _check_inputs(model, checkpoint, tokenizer)
        checkpoint.save_pretrained(folder, max_shard_size="1TB")
        tokenizer.save_pretrained(folder)
        calibration = file_of(model, CALIBRATION)
        if calibration:
            shutil.copyfile(calibration, folder / CALIBRATION)
        if pairs or is_inference(labels):
            _save_pairs(model, checkpoint, tokenizer, folder, needed=pairs)
    except Failure:
        raise
    except Exception as error:  # the loaders of three libraries raise errors of any type
        raise Failure(
            f"{model} cannot be loaded as a sequence classifier: {_reason(error)}"
        ) from None
    for path in folder.iterdir():
        if path.name not in MODEL_FILES:
            path.unlink()
    for name in ("config.json", "tokenizer_config.json"):
        _drop_custom_code(folder / name)
    return labels, tokenizer


def _load_model(model: str) -> tuple[Any, list[str]]:
    from transformers import CONFIG_MAPPING, AutoModelForSequenceClassification
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as ARCHITECTURES,
    )

    config, names = read_json(model, "config.json"), None
    if config is None and file_of(model, "adapter_config.json"):
        raise Failure(
            f"{model} is an adapter without its base model: merge it with merge_and_unload(), and "
            "save the result."
        )
    if config is not None:
        check_task(model, config, set(ARCHITECTURES.values()), set(CONFIG_MAPPING))
        names = label_names(config)
    loaded: tuple[Any, dict[str, Any]] = AutoModelForSequenceClassification.from_pretrained(
        model,
        dtype="auto",
        output_loading_info=True,
        ignore_mismatched_sizes=True,  # `_check_weights` reports them
        local_files_only=Path(model).is_dir(),
        trust_remote_code=False,
    )
    checkpoint, report = loaded
    _check_weights(model, checkpoint, report)
    logits = checkpoint.config.num_labels
    if names and len(names) != logits:  # where num_labels of config.json is not what id2label says
        raise Failure(
            f"{model} has {logits} logits, but id2label of its config.json has {len(names)} "
            "labels: let it have one label per logit."
        )
    labels = names or [checkpoint.config.id2label[i] for i in range(logits)]
    checkpoint.config.id2label = dict(enumerate(labels))
    checkpoint.config.label2id = {label: index for index, label in enumerate(labels)}
    # The output must be a `ModelOutput`, of which only `logits` is read.
    checkpoint.config.return_dict = True
    checkpoint.config.output_attentions = checkpoint.config.output_hidden_states = False
    return checkpoint, labels


def _check_weights(model: str, checkpoint: Any, report: dict[str, Any]) -> None:
    """Raise Failure if weights are missing, not finite or of other shapes than the config says."""
    labels = checkpoint.config.num_labels
    for name, saved, expected in sorted(report["mismatched_keys"]):
        if expected[0] == labels != saved[0] and list(saved[1:]) == list(expected[1:]):
            raise Failure(
                f"{model} has {saved[0]} logits, but its config.json has {labels} labels: let "
                "id2label (or num_labels) have one label per logit."
            )
        raise Failure(
            f"{model} has weights of another size than its config.json says: {name} is "
            f"{list(saved)}, not {list(expected)}. Save both together with save_pretrained."
        )
    if missing := sorted(report["missing_keys"]):
        raise Failure(
            f"{model} has no trained classification head, or not all of its weights ({missing[0]} "
            "is missing): fine-tune it first, or name a checkpoint that is fine-tuned."
        )
    for name, weight in checkpoint.named_parameters():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise Failure(
                f"{model} has weights that are not numbers (NaN or infinite, in {name}): its "
                "training diverged; take an earlier checkpoint."
            )


def _save_pairs(model: str, checkpoint: Any, tokenizer: Any, folder: Path, *, needed: bool) -> None:
    try:
        save_pairs(model, checkpoint, tokenizer, folder)
    except Failure as failure:
        if needed:
            raise
        print(f"{failure} It is packaged for single texts.", flush=True)


def _embedding_rows(checkpoint: Any) -> int | None:
    """Number of rows of the token embedding; None for a model without such a table."""
    try:
        return int(checkpoint.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError):
        return None


def _check_inputs(model: str, checkpoint: Any, tokenizer: Any) -> None:
    """Raise Failure if logits depend on other inputs than ids and mask, all that engines pass."""
    import torch

    inputs = tokenizer(_TEXT, return_tensors="pt")
    ids = inputs["input_ids"]
    if not ids.numel():
        return
    with torch.inference_mode():
        expected = checkpoint.eval()(**inputs).logits
        logits = checkpoint(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    if not torch.allclose(logits, expected, rtol=1e-4, atol=1e-6):
        others = [name for name in inputs if name not in ("input_ids", "attention_mask")]
        raise Failure(
            f"{model} has scores that depend on {' and '.join(others) or 'a missing mask'} from "
            "its tokenizer, which is not supported: if it was trained with input_ids and "
            "attention_mask alone, set model_input_names in tokenizer_config.json to these."
        )


def _drop_custom_code(path: Path) -> None:
    settings = json.loads(path.read_text(encoding="utf-8"))
    kept = {name: value for name, value in settings.items() if name not in _CUSTOM_CODE}
    if kept != settings:
        path.write_text(json.dumps(kept, indent=2), encoding="utf-8")


def _reason(error: Exception) -> str:
    if type(error).__name__ == "SafetensorError":
        return f"its weights are damaged or truncated ({error}); copy or download them again."
    return first_line(error)
