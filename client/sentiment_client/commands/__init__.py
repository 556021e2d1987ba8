"""The commands of `sentiment`, one per file: each adds its arguments and runs."""
