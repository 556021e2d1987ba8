"""The servers that are compared: each is `python -m benchmarks.peers.NAME`, on port `PORT`.

Each is written as its framework's own documentation would have it, on one port of the loopback
address, and takes `{"text": "..."}` and `{"texts": ["...", ...]}`.
"""
