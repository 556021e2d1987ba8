"""Package a `transformers` sequence classifier and the handler as a TorchServe archive.

    python -m scripts.archive.build [--model path-or-hub-name] [--version 1.0]

The model is exported for the engines that are faster than torch, where it can be.
The finished archive is unpacked, loaded and asked by the handler itself, and its scores are
compared with `transformers`' own pipeline, before it replaces the one in the model store. So what
would not load, or would answer wrongly, is refused here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from scripts.failure import Failure
from scripts.paths import ROOT
from scripts.silence import allow_hub

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def main() -> int:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="folder, or name on the hub (default: the last one built)")
    parser.add_argument("--name", default="sentiment", help="name it is served under")
    parser.add_argument("--version", default="1.0")
    parser.add_argument("--output", type=Path, help="default: model_store/NAME.mar")
    args = parser.parse_args()
    output = args.output or ROOT / "model_store" / f"{args.name}.mar"
    # Remembered, so that a rebuild after a change of the handler keeps the user's own model.
    last = output.with_suffix(".model")
    model = args.model or (last.read_text(encoding="utf-8") if last.exists() else "model")
    try:
        labels = build(model, output, args.name, args.version)
        last.write_text(model, encoding="utf-8")
    except Failure as failure:
        if failure.log:
            print(failure.log, file=sys.stderr)
        print(failure, file=sys.stderr)
        if not args.model and model != "model":
            print(
                f"The archive had to be built again, of {model}, which was packaged last: "
                "'make archive' goes back to the default model.",
                file=sys.stderr,
            )
        return 1
    except OSError as error:
        print(f"The archive cannot be written: {error}.", file=sys.stderr)
        return 1
    size = output.stat().st_size / 1e6
    print(f"Built {output} ({size:.1f} MB): {model}, labels {', '.join(labels)}")
    return 0


def build(model: str, output: Path, name: str = "sentiment", version: str = "1.0") -> list[str]:
    """Build and check the archive, move it to `output`, return its labels; raises Failure."""
    output.parent.mkdir(parents=True, exist_ok=True)
    # Beside the output, so that the last step is a rename and no half-written archive is seen.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as folder:
        work = Path(folder)
        image = work / "image"
        labels = save_checkpoint(model, image / "model")
        export(image / "model")
        copy_handler(image)
        archive = run_archiver(image, work, name, version)
        check(archive, work / "unpacked")
        archive.replace(output)
    return labels


def save_checkpoint(model: str, folder: Path) -> list[str]:
    """Load `model` with `transformers` and save what the handler needs; returns its labels."""
    if not Path(model).is_dir() and (Path(model).exists() or model.startswith(("/", ".", "~"))):
        raise Failure(f"{model} is no folder: name one that save_pretrained wrote.")
    if not Path(model).is_dir():
        allow_hub()  # the one thing that is ever fetched
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        loaded: tuple[Any, dict[str, Any]] = AutoModelForSequenceClassification.from_pretrained(
            model, dtype="auto", output_loading_info=True, local_files_only=Path(model).is_dir()
        )
        tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=Path(model).is_dir())
    except Exception as error:  # the loaders of three libraries raise whatever they like
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Failure(f"{model} cannot be loaded as a sequence classifier: {reason}") from None
    checkpoint, report = loaded
    if report["missing_keys"]:
        raise Failure(
            f"{model} has no trained classification head ({sorted(report['missing_keys'])[0]} is "
            "missing): fine-tune it first, or name a checkpoint that is."
        )
    config = checkpoint.config
    labels = [str(config.id2label[index]) for index in range(config.num_labels)]
    if len(set(labels)) < len(labels):
        raise Failure(f"{model} has two labels of one name: give each its own in id2label.")
    if not getattr(tokenizer, "is_fast", False):
        raise Failure(f"{model} has no fast tokenizer: save one with it, as tokenizer.json.")
    checkpoint.save_pretrained(folder, max_shard_size="1TB")
    tokenizer.save_pretrained(folder)
    for path in folder.iterdir():
        if path.name not in MODEL_FILES:
            path.unlink()
    return labels


def export(folder: Path) -> None:
    """Add what the faster engines need; a model that cannot be exported is served by torch."""
    print("Exporting the model, and measuring each engine's agreement with torch", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.archive.export", folder],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "handler"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        print(f"It cannot be exported, so torch will serve it, more slowly: {lines[-1]}")
        for path in folder.iterdir():
            if path.name not in MODEL_FILES:
                path.unlink()


def copy_handler(image: Path) -> None:
    """The handler's own files, and nothing that lies about beside them."""
    for path in (ROOT / "handler").rglob("*"):
        if path.suffix in (".py", ".yaml", ".html"):
            target = image / path.relative_to(ROOT / "handler")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def run_archiver(image: Path, work: Path, name: str, version: str) -> Path:
    """Run torch-model-archiver on the image of the archive's root."""
    # It deletes $TMPDIR/<model name> before it starts: it gets a folder of its own.
    temp = work / "temp"
    temp.mkdir()
    command: list[Path | str] = [
        Path(sys.executable).with_name("torch-model-archiver"),
        *("--model-name", name),
        *("--version", version),
        *("--handler", image / "sentiment_handler.py"),
        *("--config-file", image / "model-config.yaml"),
        *("--extra-files", image),
        *("--export-path", work),
    ]
    environment = os.environ | {"TMPDIR": str(temp), "TEMP": str(temp), "TMP": str(temp)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    archive = work / f"{name}.mar"
    if done.returncode or not archive.exists():
        raise Failure("torch-model-archiver failed.", done.stdout + done.stderr)
    return archive


def check(archive: Path, folder: Path) -> None:
    """Unpack the archive and have it load and answer, in a process like a worker."""
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    # As in a worker, the unpacked archive is the working folder and first on the path.
    done = subprocess.run(
        [sys.executable, "-P", ROOT / "scripts" / "archive" / "check.py"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it ended without a word"]
        raise Failure(f"The archive would not serve: {lines[-1]}", "\n".join(lines[-20:-1]))


if __name__ == "__main__":
    sys.exit(main())
