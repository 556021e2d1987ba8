"""Package a `transformers` sequence classifier and the handler as a TorchServe archive.

    python -m scripts.archive.build [--model path-or-hub-name] [--texts file] [--version 1.0]

The model is exported for the engines that are faster than torch, where that works. The handler then
loads the finished archive and scores some texts, and its scores are compared with those of
`transformers`' pipeline. Only an archive that passes replaces the one in the model store.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import yaml

from scripts.archive.checkpoint import MODEL_FILES, save_checkpoint
from scripts.archive.labels import check_size
from scripts.archive.texts import GOLDEN_TEXTS, SAVED_TEXTS, comparison_texts, save_texts
from scripts.failure import Failure, reports_failures
from scripts.paths import MODEL_STORE, ROOT

FIRST_VERSION = "1.0"


@reports_failures(os_error="The archive cannot be written")
def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="directory or hub name (default: the last model built)")
    parser.add_argument(
        "--texts", type=Path, help="texts to compare engines on, one per line (default: bundled)"
    )
    parser.add_argument("--name", default="sentiment", help="name of the model in URLs")
    parser.add_argument("--version", default=FIRST_VERSION)
    parser.add_argument(
        "--output",
        type=Path,
        help=f"default: model_store/NAME.mar, or NAME-VERSION.mar unless that is {FIRST_VERSION}",
    )
    parser.add_argument(
        "--pairs", action="store_true", help="the model was trained on pairs of texts"
    )
    args = parser.parse_args()
    stem = args.name if args.version == FIRST_VERSION else f"{args.name}-{args.version}"
    output = args.output or MODEL_STORE / f"{stem}.mar"
    # Remembered, so that a rebuild after a change of the handler keeps the user's model.
    last = output.with_suffix(".model")
    remembered = last.read_text(encoding="utf-8").splitlines() if last.exists() else ["model"]
    model = args.model or remembered[0]
    options = ["", ""] if args.model else [*remembered[1:], "", ""]
    texts = args.texts or (Path(options[0]) if options[0] else None)
    pairs = args.pairs or bool(options[1])
    try:
        labels = build(model, output, args.name, args.version, texts, pairs=pairs)
        lines = [model, str(texts or ""), "pairs" if pairs else ""]
        last.write_text("\n".join(lines).rstrip("\n"), encoding="utf-8")
    except Failure as failure:
        if args.model or model == "model":
            raise
        raise Failure(
            f"{failure}\nThis rebuilt the archive from {model}, the model that was packaged last: "
            "'make archive' goes back to the default model.",
            failure.log,
        ) from None
    size = output.stat().st_size / 1e6
    shown = ", ".join(labels[:10]) + (f" and {len(labels) - 10} more" if labels[10:] else "")
    print(f"Built {output} ({size:.1f} MB): {model}, labels {shown}")


def build(
    model: str,
    output: Path,
    name: str = "sentiment",
    version: str = FIRST_VERSION,
    texts: Path | None = None,
    *,
    pairs: bool = False,
) -> list[str]:
    """Build and check the archive, move it to `output`, return its labels; raises Failure.

    The engines are compared on `texts`, a file with one text per line, or on the bundled texts.
    `pairs` says that the model was trained on pairs of texts.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    # Next to the output, so that the last step is a rename and no half-written archive is seen.
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".build-") as folder:
        work = Path(folder)
        image = work / "image"
        labels, tokenizer = save_checkpoint(model, image / "model", pairs=pairs)
        check_size(labels, **request_limits())
        common = comparison_texts(tokenizer)
        golden = save_texts(common, image / "model", GOLDEN_TEXTS)
        saved = save_texts(comparison_texts(tokenizer, texts) if texts else common, image / "model")
        export(image / "model")
        golden.unlink()
        compared = saved.replace(work / saved.name)
        copy_handler(image)
        archive = run_archiver(image, work, name, version)
        check(archive, work / "unpacked", model, compared)
        archive.replace(output)
    return labels


def request_limits() -> dict[str, int]:
    """The limits per request that bound how many labels can be served."""
    path = ROOT / "handler" / "model-config.yaml"
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))["handler"]
        return {
            name: int(settings[name]) for name in ("max_texts_per_request", "max_response_bytes")
        }
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise Failure(
            "handler/model-config.yaml needs a section named handler, with numbers for "
            "max_texts_per_request and max_response_bytes."
        ) from None


def export(folder: Path) -> None:
    """Add the files of the faster engines; torch serves a model that cannot be exported."""
    print("Exporting the model and comparing each engine with torch", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "scripts.archive.export", folder],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT / "handler"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, end="", flush=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it exited without an error message"]
        print(f"The export failed, so torch will serve the model, more slowly: {lines[-1]}")
        for path in folder.iterdir():  # engines.json holds the row layout for torch
            if path.name not in (*MODEL_FILES, SAVED_TEXTS, GOLDEN_TEXTS, "engines.json"):
                path.unlink()


def copy_handler(image: Path) -> None:
    """Copy the handler's files to `image`, without caches and editor files."""
    for path in (ROOT / "handler").rglob("*"):
        if path.suffix in (".py", ".yaml", ".html"):
            target = image / path.relative_to(ROOT / "handler")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def run_archiver(image: Path, work: Path, name: str, version: str) -> Path:
    """Run torch-model-archiver on `image`, the future root of the archive; returns the archive."""
    # The archiver first deletes $TMPDIR/<model name>, so it gets a private TMPDIR.
    temp = work / "temp"
    temp.mkdir()
    command: list[Path | str] = [
        Path(sys.executable).with_name("torch-model-archiver"),
        *("--model-name", name),
        *("--version", version),
        *("--handler", image / "sentiment_handler.py"),
        *("--config-file", image / "model-config.yaml"),
        *("--extra-files", image.name),  # relative, since a comma in it would end a name
        *("--export-path", work),
        # Not compressed: that saves a tenth of the size, and costs a second at every start.
        *("--archive-format", "zip-store"),
    ]
    environment = os.environ | {"TMPDIR": str(temp), "TEMP": str(temp), "TMP": str(temp)}
    done = subprocess.run(
        command, cwd=image.parent, env=environment, capture_output=True, text=True, check=False
    )
    archive = work / f"{name}.mar"
    if done.returncode or not archive.exists():
        raise Failure("torch-model-archiver failed.", done.stdout + done.stderr)
    return archive


def check(archive: Path, folder: Path, model: str, texts: Path) -> None:
    """Unpack the archive to `folder`, and load and check it there, in a process like a worker.

    `model` is the packaged checkpoint, `texts` a file of texts to score. Raises Failure.
    """
    with zipfile.ZipFile(archive) as content:
        content.extractall(folder)
    original = str(Path(model).resolve()) if Path(model).is_dir() else model
    # As in a worker, the unpacked archive is the working directory and first on the path.
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts.archive.check", original, texts.resolve()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it exited without an error message"]
        raise Failure(f"The archive cannot be served: {lines[-1]}", "\n".join(lines[-20:-1]))


if __name__ == "__main__":
    sys.exit(main())
