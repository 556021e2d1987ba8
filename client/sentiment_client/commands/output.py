"""Print results on stdout."""

import dataclasses
import json
import sys
from collections.abc import Mapping

from sentiment_client.models import Model


def print_json(fields: Mapping[str, object]) -> None:
    """Print one object as a line of JSON, escaped where the output encoding lacks a character."""
    try:
        line = json.dumps(fields, ensure_ascii=False)
        line.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # not in the output encoding, or a lone surrogate
        line = json.dumps(fields)
    print(line)


def print_model(model: Model, as_json: bool, *, is_default: bool) -> None:
    """Print one version of a model and its workers."""
    if as_json:
        print_json(dataclasses.asdict(model) | {"default": is_default})
        return
    default = ", default" if is_default else ""
    print(
        f"{model.name} {model.version} ({model.archive}{default}): "
        f"{model.ready_workers} of {len(model.workers)} workers ready, "
        f"{model.pending_requests} of {model.queue_size} queue places taken, "
        f"batches of up to {model.batch_size} after {model.max_batch_delay} ms"
    )
    for worker in model.workers:
        print(f"  worker {worker.id}  pid {worker.pid}  {worker.status.lower()}")
