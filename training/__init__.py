"""Makes and measures the default model: `train.py` writes it, `evaluate.py` scores it."""

from scripts.silence import silence

silence()
