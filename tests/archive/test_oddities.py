"""Unusual configs have the same effect here as in `transformers`' own pipeline."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.archive.check import compare_tokens
from scripts.archive.checkpoint import save_checkpoint
from scripts.archive.odd_texts import odd_texts
from sentiment.inference.classifier import Classifier
from sentiment.inference.prediction import Prediction
from tests.checkpoints import checkpoint, edit

TEXTS = [
    "Good.",
    "A dull film, is it not?",
    "[SEP] odd [MASK] [PAD] text",
    "Superb! " * 100 + "Bad.",
]


def served(folder: Path, saved: Path) -> Classifier:
    """Package the checkpoint in `folder` into `saved`, and load the result."""
    save_checkpoint(str(folder), saved)
    return Classifier(saved, max_tokens=512, threads=1)


def answers(classifier: Classifier) -> list[dict[str, float]]:
    """The scores of TEXTS."""
    # One by one, as the pipeline does: sums in another order would differ in the last places.
    results = [result for text in TEXTS for result in classifier.classify([text])]
    return [result.scores for result in results if isinstance(result, Prediction)]


def pipeline_answers(folder: Path, classifier: Classifier) -> list[dict[str, float]]:
    """The answers of the checkpoint's pipeline to TEXTS, with labels as strings."""
    from transformers import pipeline

    reference: Any = pipeline(
        "text-classification",
        model=str(folder),
        dtype="float32",
        device="cpu",
        top_k=None,
        truncation=True,
        max_length=classifier.max_tokens,
    )
    return [
        {str(entry["label"]): entry["score"] for entry in entries} for entries in reference(TEXTS)
    ]


def assert_as_the_pipeline(folder: Path, saved: Path) -> None:
    classifier = served(folder, saved)
    expected = pipeline_answers(folder, classifier)
    for scores, reference in zip(answers(classifier), expected, strict=True):
        assert scores == pytest.approx(reference, rel=1e-5, abs=2e-6)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint that scores different texts differently."""
    return checkpoint(tmp_path / "own", initializer_range=1.0)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ({"0": 0, "1": 1}, ["0", "1"]),
        ({"0": False, "1": True}, ["False", "True"]),
        ({"0": 0.5, "1": 1.5}, ["0.5", "1.5"]),
        ({"1": "good", "0": "bad"}, ["bad", "good"]),
        ({"0": " a\nb\t", "1": '"\u2028\U0001f600\\'}, [" a\nb\t", '"\u2028\U0001f600\\']),
        ({"0": "__proto__", "1": "<script>"}, ["__proto__", "<script>"]),
        (None, ["LABEL_0", "LABEL_1"]),
    ],
)
def test_labels_are_those_that_the_pipeline_shows(
    folder: Path, tmp_path: Path, names: Any, labels: list[str]
) -> None:
    edit(folder / "config.json", id2label=names)
    classifier = served(folder, tmp_path / "saved")
    assert classifier.labels == labels
    assert_as_the_pipeline(folder, tmp_path / "saved")


@pytest.mark.parametrize(
    "entry",
    [
        {"problem_type": "regression"},
        {"problem_type": "multi_label_classification"},
        {"problem_type": "single_label_classification"},
        {"problem_type": None},
        {"function_to_apply": "none"},
        {"task_specific_params": {"text-classification": {"function_to_apply": "sigmoid"}}},
        {"output_hidden_states": True, "output_attentions": True},
        {"is_decoder": True},
        {"pad_token_id": None},
        {"pad_token_id": -1},
        {"pad_token_id": 5},
        {"prefix": "a prefix "},
        {"architectures": ["BertForSequenceClassification", "BertForMaskedLM"]},
        {"auto_map": {"AutoModel": "custom.Model"}},
        {"hidden_dropout_prob": 0.9},
        {"chunk_size_feed_forward": 1},
        {"hidden_act": "relu"},
        {"layer_norm_eps": 0.5},
    ],
    ids=str,
)
def test_config_json_has_the_same_effect_as_in_the_pipeline(
    folder: Path, tmp_path: Path, entry: dict[str, Any]
) -> None:
    edit(folder / "config.json", **entry)
    assert_as_the_pipeline(folder, tmp_path / "saved")


@pytest.mark.parametrize(
    "entry",
    [
        {"split_special_tokens": True},
        {"do_lower_case": False},
        {"strip_accents": True},
        {"tokenize_chinese_chars": False},
        {"truncation_side": "left"},
        {"padding_side": "left"},
        {"padding": "max_length", "max_length": 20},
        {"max_length": 20, "stride": 5, "truncation_strategy": "only_first"},
        {"model_max_length": 16},
        {"model_max_length": 10**30},
        {"model_max_length": 1e30},
        {"model_max_length": None},
        {"max_len": 16},
        {"add_prefix_space": True},
        {"add_bos_token": True, "bos_token": "[CLS]"},
        {"add_eos_token": True, "eos_token": "[SEP]"},
        {"clean_up_tokenization_spaces": True},
        {"cls_token": "[MASK]"},
        {"sep_token": "[UNK]", "unk_token": "[PAD]"},
        {"additional_special_tokens": ["good", "film"]},
        {"extra_special_tokens": {"image_token": "odd"}},
        {"model_input_names": ["input_ids", "attention_mask"]},
        {"model_input_names": ["input_ids"]},
        {"tokenizer_class": "PreTrainedTokenizerFast"},
        {"tokenizer_class": "DistilBertTokenizer"},
    ],
    ids=str,
)
def test_tokenizer_config_json_has_the_same_effect_as_in_the_pipeline(
    folder: Path, tmp_path: Path, entry: dict[str, Any]
) -> None:
    edit(folder / "tokenizer_config.json", **entry)
    assert_as_the_pipeline(folder, tmp_path / "saved")
    assert_same_tokens(folder, tmp_path / "saved")


@pytest.mark.parametrize(
    ("section", "content"),
    [
        (
            "truncation",
            {"max_length": 4, "direction": "Left", "stride": 1, "strategy": "LongestFirst"},
        ),
        (
            "padding",
            {
                "strategy": {"Fixed": 20},
                "direction": "Left",
                "pad_to_multiple_of": 8,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "[PAD]",
            },
        ),
        ("normalizer", None),
        ("post_processor", None),
    ],
)
def test_tokenizer_json_has_the_same_effect_as_in_the_pipeline(
    folder: Path, tmp_path: Path, section: str, content: Any
) -> None:
    edit(folder / "tokenizer.json", **{section: content})
    assert_as_the_pipeline(folder, tmp_path / "saved")
    assert_same_tokens(folder, tmp_path / "saved")


def test_special_tokens_map_json_has_the_same_effect_as_in_the_pipeline(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "special_tokens_map.json").write_text('{"cls_token": "[MASK]"}', encoding="utf-8")
    (folder / "added_tokens.json").write_text('{"film": 30000}', encoding="utf-8")
    assert_as_the_pipeline(folder, tmp_path / "saved")
    assert_same_tokens(folder, tmp_path / "saved")


def assert_same_tokens(folder: Path, saved: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    classifier = Classifier(saved, max_tokens=512, threads=1)
    compare_tokens(classifier, tokenizer, [*TEXTS, *odd_texts(tokenizer, TEXTS)])


def test_token_ids_that_differ_from_transformers_are_refused(folder: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    classifier = served(folder, tmp_path / "saved")
    tokenizer = AutoTokenizer.from_pretrained(folder, split_special_tokens=True)
    with pytest.raises(SystemExit, match="token ids of"):
        compare_tokens(classifier, tokenizer, TEXTS)


def test_the_saved_configs_name_no_custom_code(folder: Path, tmp_path: Path) -> None:
    edit(folder / "config.json", auto_map={"AutoModel": "custom.Model"})
    edit(folder / "tokenizer_config.json", auto_map={"AutoProcessor": "custom.Processor"})
    save_checkpoint(str(folder), tmp_path / "saved")
    for name in ("config.json", "tokenizer_config.json"):
        saved = json.loads((tmp_path / "saved" / name).read_text(encoding="utf-8"))
        assert "auto_map" not in saved


@pytest.mark.parametrize(("factor", "offset"), [(1e5, 2.5e5), (1e-4, 0.0), (1.0, -3e4)])
def test_a_regression_of_any_scale_is_served_as_the_pipeline_scores_it(
    tmp_path: Path, factor: float, offset: float
) -> None:
    folder = checkpoint(tmp_path / "own", num_labels=1, problem_type="regression")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] *= factor
    weights["classifier.bias"] += torch.tensor(offset)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert_as_the_pipeline(folder, tmp_path / "saved")
