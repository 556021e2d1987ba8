"""Paths in this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "model"
MODEL_STORE = ROOT / "model_store"
ARCHIVE = MODEL_STORE / "sentiment.mar"
