"""Summarize measurements, and write them as tables and plots."""
