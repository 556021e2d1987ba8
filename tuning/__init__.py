"""Find the best settings for a machine: `python -m tuning --throughput`."""

from scripts.silence import silence

silence()
