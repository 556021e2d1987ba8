"""The servers that are compared: each is `python -m benchmarks.peers.NAME`, on port `PORT`.

Each follows its framework's own documentation, listens on one port of the loopback address, and
accepts `{"text": "..."}` and `{"texts": ["...", ...]}`.
"""
