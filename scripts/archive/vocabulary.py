"""Load a tokenizer; refuse one without a vocabulary or with one too large for the model.

If the files of the vocabulary are missing, `transformers` silently makes a tokenizer that knows
only special tokens.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from scripts.failure import Failure, first_line

# The release that works with the protobuf that is pinned here.
SENTENCEPIECE = "sentencepiece==0.2.1"
# Files of vocabularies that need no conversion.
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")


def load_tokenizer(model: str) -> Any:
    """The fast tokenizer of `model`, a directory or a name on the hub; raises Failure."""
    from transformers import AutoTokenizer

    settings = read_json(model, "tokenizer_config.json") or {}
    if "AutoTokenizer" in (settings.get("auto_map") or {}):
        raise Failure(
            f"{model} needs a tokenizer with custom code (auto_map in tokenizer_config.json), "
            "which is never run: save one that transformers has, as tokenizer.json."
        )
    limit = settings.get("model_max_length")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float)):
        raise Failure(
            f"tokenizer_config.json: model_max_length must be a number of tokens, not {limit!r}."
        )
    converts = not file_of(model, "tokenizer.json") and _sentencepiece_file(model)
    if converts and not find_spec("sentencepiece"):
        raise Failure(
            f"{model} has its vocabulary only in {converts}, which needs a package to read: "
            f"run '.venv/bin/python -m pip install {SENTENCEPIECE}', then this again."
        )
    read_json(model, "tokenizer.json")
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            model, local_files_only=Path(model).is_dir(), trust_remote_code=False
        )
    except Exception as error:  # the readers of three libraries raise errors of any type
        if converts:  # for which `transformers` recommends a package that does not help
            raise Failure(
                f"{model} has its vocabulary only in {converts}, which cannot be read: load the "
                "tokenizer where it works, and save it as tokenizer.json."
            ) from None
        if not any(file_of(model, name) for name in VOCABULARIES):
            raise _no_vocabulary(model) from None
        raise Failure(f"{model} has a tokenizer that cannot be read: {first_line(error)}") from None
    if not getattr(tokenizer, "is_fast", False):
        raise Failure(
            f"{model} has no fast tokenizer ({type(tokenizer).__name__} is a Python one): "
            "save one as tokenizer.json."
        )
    files = [name for name in type(tokenizer).vocab_files_names.values() if name]
    if not any(file_of(model, name) for name in {"tokenizer.json", *files}) and not converts:
        raise _no_vocabulary(model)
    return tokenizer


def _no_vocabulary(model: str) -> Failure:
    return Failure(
        f"{model} has no vocabulary, so that its tokenizer knows no words: save the tokenizer's "
        "own files (tokenizer.json) next to the weights."
    )


def check_vocabulary(model: str, tokenizer: Any, rows: int | None) -> None:
    """Raise Failure if token ids are random, or exceed the `rows` of the embedding."""
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    if state["model"].get("dropout"):
        raise Failure(
            f"{model} has a tokenizer that splits words at random (dropout in tokenizer.json), so "
            "the score of a text would change from call to call: set dropout to null."
        )
    ids = tokenizer.get_vocab()
    if not ids:
        raise Failure(f"{model} has a tokenizer that knows no words: save its own tokenizer.json.")
    token = max(ids, key=ids.__getitem__)
    if rows is not None and ids[token] >= rows:
        raise Failure(
            f"{model} has a tokenizer with more tokens than its model: {token!r} has the id "
            f"{ids[token]}, and the embedding has {rows} rows. Call "
            "model.resize_token_embeddings(len(tokenizer)), train it, and save both again."
        )


def read_json(model: str, name: str) -> dict[str, Any] | None:
    """The JSON object in that file of `model`, None if there is no such file; raises Failure."""
    path = file_of(model, name)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Failure(
            f"{model} has a {name} that is not JSON: save the checkpoint again."
        ) from None
    if not isinstance(content, dict):
        raise Failure(f"{model} has a {name} that is not a JSON object: save the checkpoint again.")
    return content


def file_of(model: str, name: str) -> Path | None:
    """The path of a file of `model`, downloaded if it is on the hub; None if it is missing."""
    if Path(model).is_dir():
        path = Path(model) / name
        return path if path.is_file() else None
    from transformers.utils.hub import cached_file

    cached = cached_file(model, name, _raise_exceptions_for_missing_entries=False)
    return Path(cached) if cached else None


def _sentencepiece_file(model: str) -> str | None:
    names = ("spm", "spiece", "sentencepiece", "sentencepiece.bpe", "tokenizer")
    return next((f"{name}.model" for name in names if file_of(model, f"{name}.model")), None)
