"""Starts, watches and stops one TorchServe."""
