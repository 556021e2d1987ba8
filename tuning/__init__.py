"""Finds the settings that serve best on this machine: `python -m tuning --throughput`."""
