"""Monkeypatches that cut TorchServe 0.12's overhead per batch inside the worker.

If TorchServe lacks the patched function, nothing is changed and only time is lost. A patch may be
applied more than once.
"""

import functools
import logging
import sys
from typing import Any

_BUFFER_BYTES = 1 << 16


def buffer_socket_reads() -> None:
    """Read the frontend's messages through a buffer, from the next message on.

    TorchServe calls recv() once per field and once per length, some thirty times per request.
    """
    # None outside a worker, where it is not imported.
    protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
    original = getattr(protocol, "_retrieve_buffer", None)
    # A second buffer would miss the bytes that the first one has already read.
    if original is None or getattr(original, "is_buffered", False):
        return

    @functools.cache
    def reader(connection: Any) -> Any:
        return connection.makefile("rb", _BUFFER_BYTES)

    def retrieve(connection: Any, length: int) -> bytes:
        data: bytes = reader(connection).read(length)
        # At the end of the stream the original function ends the worker.
        return data if len(data) == length else original(connection, length)

    retrieve.is_buffered = True  # type: ignore[attr-defined]
    protocol._retrieve_buffer = retrieve


def drop_batch_log_lines() -> None:
    """Drop two lines per batch that TorchServe's worker writes and its frontend parses.

    One says that a batch has arrived. The other is the gauge PredictionTime, with the id of every
    request.
    """
    # Adding the same filter again has no effect.
    logging.getLogger().addFilter(_is_wanted)
    logging.getLogger("ts.metrics.caching_metric").addFilter(_is_wanted)


def _is_wanted(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(
        ("Backend received inference at: ", "[METRICS]PredictionTime.")
    )
