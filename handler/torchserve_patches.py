"""Monkeypatches that cut TorchServe 0.12's overhead per batch in the worker.

If the private function that one replaces is missing, nothing is patched: only speed is lost.
"""

import functools
import logging
import sys
from typing import Any

_BUFFER_BYTES = 1 << 16


def buffer_socket_reads() -> None:
    """Read the front end's messages through a buffer, from the next message on.

    TorchServe calls recv() once per field and once per length, some thirty times per request.
    """
    # Not imported outside a worker, where there is nothing to patch.
    protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
    original = getattr(protocol, "_retrieve_buffer", None)
    # A second buffer on the same socket would miss the bytes that the first one holds.
    if original is None or hasattr(original, "__wrapped__"):
        return

    @functools.cache
    def reader(connection: Any) -> Any:
        return connection.makefile("rb", _BUFFER_BYTES)

    @functools.wraps(original)
    def retrieve(connection: Any, length: int) -> bytes:
        data: bytes = reader(connection).read(length)
        # At the end of the stream the original function exits, as it should.
        return data if len(data) == length else original(connection, length)

    protocol._retrieve_buffer = retrieve


def drop_batch_log_lines() -> None:
    """Drop the two lines that TorchServe logs per batch, which Java would read and parse again.

    One says that a batch has arrived. The other is the gauge PredictionTime, with the id of every
    request.
    """
    logging.getLogger().addFilter(_is_kept)
    logging.getLogger("ts.metrics.caching_metric").addFilter(_is_kept)


def _is_kept(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(
        ("Backend received inference at: ", "[METRICS]PredictionTime.")
    )
