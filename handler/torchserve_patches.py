"""Monkeypatches that cut TorchServe 0.12's overhead per batch inside the worker.

If the private function that one replaces is missing, nothing is patched and only time is lost.
"""

import functools
import logging
import sys
from typing import Any

_BUFFER = 1 << 16


def buffer_socket_reads() -> None:
    """Read the front end's messages through a buffer, from the next one on.

    TorchServe asks the system for every field by itself, and for its length before that: some
    thirty calls a request.
    """
    # Whoever is no worker need not have it.
    protocol: Any = sys.modules.get("ts.protocol.otf_message_handler")
    original = getattr(protocol, "_retrieve_buffer", None)
    if original is None:
        return

    @functools.cache
    def reader(connection: Any) -> Any:
        return connection.makefile("rb", _BUFFER)

    def retrieve(connection: Any, length: int) -> bytes:
        data: bytes = reader(connection).read(length)
        # At its end TorchServe's own function knows what to do.
        return data if len(data) == length else original(connection, length)

    protocol._retrieve_buffer = retrieve


def drop_batch_log_lines() -> None:
    """Drop the two lines that TorchServe writes a batch, only to read and parse them again.

    One says that the batch has come. The other is its gauge PredictionTime, with the id of every
    request.
    """
    logging.getLogger().addFilter(_of_interest)
    logging.getLogger("ts.metrics.caching_metric").addFilter(_of_interest)


def _of_interest(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(
        ("Backend received inference at: ", "[METRICS]PredictionTime.")
    )
