"""Builds a model archive and proves that it answers as `transformers` does."""
