"""Measure where a request's time goes: send requests to the running service, print each step.

python -m benchmarks.latency_breakdown [--connections 1] [--requests 500] [--texts FILE]

The service's response headers hold the times of the handler, the tokenizer and the engine.
TorchServe's metrics hold the time in the queue.
"""

import argparse
import http.client
import itertools
import json
import re
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import texts
from benchmarks.load.arguments import positive
from scripts.failure import Failure, reports_failures
from scripts.launcher.properties import Properties
from scripts.paths import ROOT

# Requests before the measurement, in which the engine compiles new shapes.
WARM_UP = 200
# Metrics lag the answers.
SETTLE_SECONDS = 1.0


@reports_failures()
def main() -> None:
    """Read the arguments, send the requests, and print one line per step."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency_breakdown",
        description="Print where the time of the running service's requests goes.",
    )
    parser.add_argument("--connections", type=positive, default=1, help="default: 1")
    parser.add_argument("--requests", type=positive, default=500, help="default: 500")
    parser.add_argument("--texts", type=Path, metavar="FILE", help="file with one text per line")
    args = parser.parse_args()
    properties = Properties.read(ROOT / "config.properties")
    url = f"{properties.inference}/predictions/sentiment"
    corpus = next(iter(texts.read([args.texts] if args.texts else []).values()))
    try:
        send(url, corpus, args.connections, WARM_UP)
        before = queue_metrics(properties.metrics)
        timings = send(url, corpus, args.connections, args.requests)
        after = queue_metrics(properties.metrics)
    except (OSError, http.client.HTTPException) as error:
        raise Failure(
            f"The service does not answer ({error}): start it with 'make serve'."
        ) from None
    count, microseconds = (end - start for end, start in zip(after, before, strict=True))
    report(timings, microseconds / count / 1e3 if count else 0.0)


# Times of one request in ms: total, and in the handler, the tokenizer and the engine.
Timing = tuple[float, float, float, float]


def send(url: str, corpus: Sequence[str], connections: int, count: int) -> list[Timing]:
    """Send `count` texts, one per request, over several connections; raises Failure."""
    selected = list(itertools.islice(itertools.cycle(corpus), count))
    shares = [selected[i::connections] for i in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        timings = list(pool.map(lambda share: _send_over_one_connection(url, share), shares))
    time.sleep(SETTLE_SECONDS)
    return list(itertools.chain.from_iterable(timings))


def _send_over_one_connection(url: str, share: Sequence[str]) -> list[Timing]:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=60)
    timings = []
    for text in share:
        body = json.dumps({"text": text})
        start = time.perf_counter()
        connection.request("POST", address.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        elapsed = 1e3 * (time.perf_counter() - start)
        if response.status != 200:
            message = answer.decode(errors="replace")
            raise Failure(f"The service answers with status {response.status}: {message}")
        handler, tokenizer, engine = (
            float(response.headers[f"x-{name}-time"])
            for name in ("total", "tokenization", "inference")
        )
        timings.append((elapsed, handler, tokenizer, engine))
    connection.close()
    return timings


def queue_metrics(address: str) -> tuple[float, float]:
    """Return the number of requests so far, and the sum of their microseconds in the queue."""
    # Not with a library that would use a proxy.
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    names = ("ts_inference_requests_total", "ts_queue_latency_microseconds")
    count, microseconds = (
        sum(map(float, re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)))
        for name in names
    )
    return count, microseconds


def report(timings: Sequence[Timing], queue: float) -> None:
    """Print each step's mean in ms and its share; `queue` is the mean time in the queue in ms."""
    request, handler, tokenizer, engine = map(statistics.mean, zip(*timings, strict=True))
    steps = {
        "queue, including the batch delay": queue,
        "tokenizer": tokenizer,
        "engine": engine,
        "decoding and encoding": handler - tokenizer - engine,
        "sockets, TorchServe, this client": request - queue - handler,
    }
    for name, mean in steps.items():
        print(f"{name:34} {mean:8.2f} ms {mean / request:6.0%}")
    print(f"{'the whole request':34} {request:8.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
