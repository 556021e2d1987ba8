"""Finds the settings that serve best on this machine: `python -m tuning --throughput`."""

from scripts.silence import silence

silence()
