"""Average checkpoints of one architecture, and set how readily the average says NEUTRAL.

    python -m training.average FOLDER=WEIGHT ... [--neutral LOGIT] --out FOLDER

An average of a model and of what it was fine-tuned to keeps more of what the first one knew than
the second one does (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models"). It also says
NEUTRAL less often, since the first one never did: `--neutral` is added to the logit of NEUTRAL.
Config and tokenizer are those of the last folder.
"""

import argparse
from pathlib import Path
from typing import Any

import torch

from scripts.paths import MODEL
from training.data import NEUTRAL
from training.train import load_base


def main() -> None:
    """Read the arguments, average, and write the model in fp16."""
    parser = argparse.ArgumentParser(
        prog="python -m training.average", description=__doc__.splitlines()[0]
    )
    parser.add_argument("parts", nargs="+", type=_part, metavar="FOLDER=WEIGHT")
    parser.add_argument("--neutral", type=float, default=0.0, metavar="LOGIT")
    parser.add_argument("--out", type=Path, default=MODEL, metavar="FOLDER")
    args = parser.parse_args()
    tokenizer, model = average(args.parts, args.neutral)
    model.half().save_pretrained(args.out)
    tokenizer.save_pretrained(args.out)
    print(f"Wrote {args.out}")


def average(parts: list[tuple[str, float]], neutral: float) -> tuple[Any, Any]:
    """Return the tokenizer and the average of `parts`, folders with weights of any sum, in fp32."""
    whole = sum(weight for _, weight in parts)
    total: dict[str, torch.Tensor] = {}
    for folder, weight in parts:
        tokenizer, model = load_base(folder)
        for name, values in model.state_dict().items():
            total[name] = total.get(name, 0) + values.float() * (weight / whole)
    total["classifier.bias"][NEUTRAL] += neutral
    model.load_state_dict(total)
    return tokenizer, model


def _part(text: str) -> tuple[str, float]:
    folder, _, weight = text.rpartition("=")
    return folder, float(weight)


if __name__ == "__main__":
    main()
