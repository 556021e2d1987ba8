"""Measures this service beside other ways to serve the same model: see RESULTS.md."""

from scripts.silence import silence

silence()
