"""A checkpoint that cannot be served is refused in one sentence that says what to do."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from scripts.archive.build import request_limits
from scripts.archive.checkpoint import save_checkpoint
from scripts.archive.labels import check_size
from scripts.archive.pairs import PAIRS
from scripts.failure import Failure
from tests.checkpoints import TINY, checkpoint, edit
from tests.vocabularies import wordpiece
from tests.zoo import BERT, INFERENCE, Kind
from tests.zoo_packaging import make

LIMITS = request_limits()


def refusal(model: Path, tmp_path: Path) -> str:
    """The sentence with which `model` is refused."""
    with pytest.raises(Failure) as refused:
        save_checkpoint(str(model), tmp_path / "saved")
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def test_pairs_that_cannot_be_scored_are_refused_only_if_they_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = INFERENCE | {"type_vocab_size": 1}  # the tokenizer has a second type
    saved = make(
        Kind("BERT", "bert", BERT, lambda: wordpiece("BertTokenizer"), changes), tmp_path / "own"
    )
    save_checkpoint(str(saved), tmp_path / "single")
    assert "cannot score pairs" in capsys.readouterr().out
    assert not (tmp_path / "single" / PAIRS).exists()
    with pytest.raises(Failure, match="cannot score pairs of texts"):
        save_checkpoint(str(saved), tmp_path / "pairs", pairs=True)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"1": "bad", "2": "good"}, "none for logit 0"),
        ({"0": "bad", "2": "good"}, "none for logit 1"),
        ({"0": "bad", "1": "so-so", "2": "good"}, "2 logits, but its config.json has 3 labels"),
        ({"0": "bad"}, "2 logits, but its config.json has 1 labels"),
        ({"0": None, "1": "good"}, "no name for logit 0"),
        ({"0": ["bad"], "1": {"good": 1}}, "no name for logit 0"),
        ({"0": "", "1": "good"}, "empty name for logit 0"),
        ({"0": " \t", "1": "good"}, "empty name for logit 0"),
        ({"0": "bad", "1": "bad"}, "two labels named 'bad'"),
        ({"0": 1, "1": "1"}, "two labels named '1'"),
        ({"0": "\ud800", "1": "good"}, "lone surrogate"),
        ({"bad": 0, "good": 1}, "numbers of the logits"),
        ({"0.0": "bad", "1.0": "good"}, "numbers of the logits"),
        ({}, "must look like"),
        (["bad", "good"], "must look like"),
        ("bad, good", "must look like"),
    ],
)
def test_labels_that_the_pipeline_could_not_return_are_refused(
    tmp_path: Path, names: Any, reason: str
) -> None:
    folder = checkpoint(tmp_path / "own")
    edit(folder / "config.json", id2label=names)
    assert reason in refusal(folder, tmp_path)


def test_a_number_of_labels_that_contradicts_their_names_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own", num_labels=3)
    edit(folder / "config.json", id2label={"0": "bad", "1": "good"}, num_labels=3)
    assert "3 logits, but id2label of its config.json has 2 labels" in refusal(folder, tmp_path)


def test_more_labels_than_the_head_has_logits_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    edit(folder / "config.json", num_labels=3)
    assert "2 logits, but its config.json has 3 labels" in refusal(folder, tmp_path)


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("BertForTokenClassification", "labels each token"),
        ("BertForMultipleChoice", "chooses among several answers"),
        ("BertForQuestionAnswering", "finds an answer"),
        ("BertForNextSentencePrediction", "tells whether one sentence follows another"),
        ("BertForMaskedLM", "fills in masked words"),
        ("BertLMHeadModel", "generates text"),
        ("BertForPreTraining", "only pretrained"),
        ("BertModel", "no head for any task"),
        ("BertForSomethingElse", "is a BertForSomethingElse: fine-tune"),
    ],
)
def test_a_head_of_another_task_is_refused(tmp_path: Path, architecture: str, reason: str) -> None:
    import transformers

    folder = checkpoint(tmp_path / "own")
    if hasattr(transformers, architecture):
        model: Any = getattr(transformers, architecture)(
            transformers.BertConfig(**TINY, max_position_embeddings=64)
        )
        model.save_pretrained(folder)
        saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        assert saved["architectures"] == [architecture]
    edit(folder / "config.json", architectures=[architecture])
    sentence = refusal(folder, tmp_path)
    assert reason in sentence
    assert "ForSequenceClassification" in sentence


@pytest.mark.parametrize("architectures", [None, [], ["BertForSequenceClassification"]])
def test_a_sequence_classifier_need_not_name_its_architecture(
    tmp_path: Path, architectures: list[str] | None
) -> None:
    folder = checkpoint(tmp_path / "own")
    edit(folder / "config.json", architectures=architectures)
    assert save_checkpoint(str(folder), tmp_path / "saved")[0] == ["LABEL_0", "LABEL_1"]


def test_a_model_without_a_classification_head_is_refused(tmp_path: Path) -> None:
    from transformers import AutoModel

    folder = checkpoint(tmp_path / "own")
    AutoModel.from_pretrained(folder).save_pretrained(folder)
    edit(folder / "config.json", architectures=None)
    assert "no trained classification head" in refusal(folder, tmp_path)


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("config.json", {"auto_map": {"AutoModelForSequenceClassification": "custom.Model"}}),
        (
            "config.json",
            {
                "model_type": "custom",
                "auto_map": {
                    "AutoConfig": "custom.Config",
                    "AutoModelForSequenceClassification": "custom.Model",
                },
            },
        ),
        (
            "config.json",
            {"model_type": "custom", "auto_map": {"AutoConfig": "custom.Config"}},
        ),
        ("config.json", {"custom_pipelines": {"text-classification": {"impl": "custom.Pipe"}}}),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["custom.Tokenizer", None]}}),
    ],
)
def test_custom_code_of_a_checkpoint_is_never_run(
    tmp_path: Path, name: str, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt="": "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path))
    folder = checkpoint(tmp_path / "own")
    edit(folder / name, **entry)
    ran = tmp_path / "ran"
    (folder / "custom.py").write_text(f"open({str(ran)!r}, 'w')\n", encoding="utf-8")
    assert "code" in refusal(folder, tmp_path)
    assert not ran.exists()


def test_token_ids_without_a_row_in_the_embedding_are_refused(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = checkpoint(tmp_path / "own")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<extra>"])
    tokenizer.save_pretrained(folder)
    sentence = refusal(folder, tmp_path)
    assert "'<extra>' has the id 30522" in sentence
    assert "resize_token_embeddings" in sentence


def test_a_tokenizer_that_splits_words_at_random_is_refused(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    folder = checkpoint(tmp_path / "own")
    vocabulary = {"<unk>": 0, "a": 1, "b": 2, "ab": 3}
    backend = Tokenizer(models.BPE(vocabulary, [("a", "b")], unk_token="<unk>", dropout=0.5))
    PreTrainedTokenizerFast(tokenizer_object=backend).save_pretrained(folder)
    assert "splits words at random" in refusal(folder, tmp_path)


@pytest.mark.parametrize("limit", ["512", True, [512]])
def test_a_model_max_length_that_is_not_a_number_is_refused(tmp_path: Path, limit: Any) -> None:
    folder = checkpoint(tmp_path / "own")
    edit(folder / "tokenizer_config.json", model_max_length=limit)
    assert "model_max_length must be a number" in refusal(folder, tmp_path)


def test_a_model_that_needs_token_type_ids_is_refused(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    folder = checkpoint(tmp_path / "own")
    config = GPT2Config(vocab_size=30_522, n_embd=8, n_layer=1, n_head=1, n_positions=64)
    GPT2ForSequenceClassification(config).save_pretrained(folder)
    edit(folder / "tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")
    save_checkpoint(str(folder), tmp_path / "saved")
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    edit(folder / "tokenizer_config.json", model_input_names=inputs)
    assert "scores that depend on token_type_ids" in refusal(folder, tmp_path)


def test_weights_with_nan_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"][0, 0] = torch.nan
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert "not numbers (NaN or infinite, in classifier.weight)" in refusal(folder, tmp_path)


def test_weights_of_another_size_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    edit(folder / "config.json", max_position_embeddings=128)
    sentence = refusal(folder, tmp_path)
    assert "position_embeddings.weight is [64, 8], not [128, 8]" in sentence


@pytest.mark.parametrize("kept", [0, 4, 100, -100])
def test_truncated_weights_are_refused(tmp_path: Path, kept: int) -> None:
    path = checkpoint(tmp_path / "own") / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "damaged or truncated" in refusal(path.parent, tmp_path)


def test_missing_weights_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    (folder / "model.safetensors").unlink()
    assert "no file named model.safetensors" in refusal(folder, tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "\ufeffnull"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_config_that_is_not_a_json_object_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    folder = checkpoint(tmp_path / "own")
    (folder / name).write_text(content, encoding="utf-8")
    assert f"has a {name} that is not" in refusal(folder, tmp_path)


def test_a_damaged_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    (folder / "tokenizer.json").write_text("{", encoding="utf-8")
    assert "tokenizer.json" in refusal(folder, tmp_path)


@pytest.mark.parametrize("kind", ["BertTokenizer", "TokenizersBackend"])
def test_a_checkpoint_without_its_tokenizer_is_refused(tmp_path: Path, kind: str) -> None:
    folder = checkpoint(tmp_path / "own")
    (folder / "tokenizer.json").unlink()
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"tokenizer_class": kind}))
    assert "has no vocabulary" in refusal(folder, tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        *("spm.model", "sentencepiece.bpe.model", "spiece.model", "tokenizer.model"),
        "sentencepiece.model",
    ],
)
def test_sentencepiece_files_need_the_package_that_reads_them(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.archive.vocabulary.find_spec", lambda name: None)
    folder = checkpoint(tmp_path / "own")
    (folder / "tokenizer.json").unlink()
    (folder / name).write_bytes(b"a vocabulary")
    sentence = refusal(folder, tmp_path)
    assert f"has its vocabulary only in {name}" in sentence
    assert "pip install sentencepiece==0.2.1" in sentence


def test_a_damaged_sentencepiece_file_is_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "own")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "XLMRobertaTokenizer"}', encoding="utf-8"
    )
    (folder / "sentencepiece.bpe.model").write_bytes(b"not a vocabulary")
    assert "sentencepiece.bpe.model, which cannot be read" in refusal(folder, tmp_path)


def test_an_adapter_without_its_model_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert "merge_and_unload" in refusal(folder, tmp_path)


@pytest.mark.parametrize("name", ["/nowhere", "./nowhere", "~/nowhere", str(Path(__file__))])
def test_a_path_that_is_not_a_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Failure, match="is not a directory"):
        save_checkpoint(name, tmp_path / "saved")


@pytest.mark.parametrize("count", [2, 1_000, 5_000, 70_000])
def test_as_many_labels_as_a_worker_can_answer_with_are_accepted(count: int) -> None:
    labels = [f"LABEL_{index}" for index in range(count)]
    check_size(labels, **LIMITS)


@pytest.mark.parametrize(
    ("count", "name", "reason"),
    [
        (300_000, "LABEL_{}", "take about"),
        (300_000, "{}", "handler.max_texts_per_request in handler/model-config.yaml to 16"),
        (100_000, "{}", "handler.max_texts_per_request in handler/model-config.yaml to 50"),
        (1_000, "a long name, " * 1_000 + "{}", "shorter names"),
    ],
)
def test_more_labels_than_a_worker_can_answer_with_are_refused(
    count: int, name: str, reason: str
) -> None:
    labels = [name.format(index) for index in range(count)]
    with pytest.raises(Failure, match=reason):
        check_size(labels, **LIMITS)
