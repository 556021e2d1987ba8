"""Where a request's time goes: asks the running service, and splits what it took into its steps.

python -m benchmarks.latency_breakdown [--connections 1] [--requests 500] [--texts FILE]

The handler says in headers how long it had a batch, and how much of that the tokenizer and the
engine took; TorchServe's metrics say how long requests waited to be handed to it.
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

import requests

from benchmarks.load import texts
from benchmarks.load.arguments import positive
from scripts.failure import Failure
from scripts.launcher.properties import Properties
from scripts.paths import ROOT

# Not measured: what is met for the first time is compiled.
WARM_UP = 200
# Counts arrive a moment after the answers.
SETTLE_SECONDS = 1.0


def main() -> int:
    """Read the arguments, ask, and print a line a step."""
    parser = argparse.ArgumentParser(description="Split a request's time into its steps.")
    parser.add_argument("--connections", type=positive, default=1)
    parser.add_argument("--requests", type=positive, default=500)
    parser.add_argument("--texts", type=Path)
    args = parser.parse_args()
    properties = Properties.read(ROOT / "config.properties")
    url = f"{properties.inference}/predictions/sentiment"
    try:
        sent = next(iter(texts.read([args.texts] if args.texts else []).values()))
        ask(url, sent, args.connections, WARM_UP)
        before = queued(properties.metrics)
        answers = ask(url, sent, args.connections, args.requests)
        count, microseconds = (
            after - start for after, start in zip(queued(properties.metrics), before, strict=True)
        )
    except (OSError, http.client.HTTPException) as error:
        print(f"The service does not answer: {error}. Is it up, as by 'make serve'?")
        return 1
    except Failure as failure:
        print(failure)
        return 1
    report(answers, microseconds / count / 1e3 if count else 0.0)
    return 0


Answer = tuple[float, float, float, float]


def ask(url: str, sent: Sequence[str], connections: int, count: int) -> list[Answer]:
    """Ms of each request: all of it, and of that in the handler, the tokenizer, the engine."""
    asked = list(itertools.islice(itertools.cycle(sent), count))
    parts = [asked[i::connections] for i in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        answers = list(pool.map(lambda part: _one_by_one(url, part), parts))
    time.sleep(SETTLE_SECONDS)
    return [answer for part in answers for answer in part]


def _one_by_one(address: str, asked: Sequence[str]) -> list[Answer]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    answers = []
    for text in asked:
        body = json.dumps({"text": text})
        began = time.perf_counter()
        connection.request("POST", parts.path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        said = response.read()
        took = 1e3 * (time.perf_counter() - began)
        if response.status != 200:
            raise Failure(f"The service answers {response.status}: {said.decode()}")
        handler, tokenizer, engine = (
            float(response.headers[f"x-{name}-time"])
            for name in ("total", "tokenization", "inference")
        )
        answers.append((took, handler, tokenizer, engine))
    connection.close()
    return answers


def queued(metrics: str) -> tuple[float, float]:
    """Requests so far, and the microseconds that they waited for the handler, together."""
    text = requests.get(f"{metrics}/metrics", timeout=10).text
    names = ("ts_inference_requests_total", "ts_queue_latency_microseconds")
    count, microseconds = (
        sum(map(float, re.findall(rf"^{name}\{{[^}}]*\}} (\S+)$", text, re.MULTILINE)))
        for name in names
    )
    return count, microseconds


def report(answers: Sequence[Answer], waited: float) -> None:
    """A line a step: the mean in ms, and its share."""
    whole, handler, tokenizer, engine = map(statistics.mean, zip(*answers, strict=True))
    steps = {
        "queue, batch delay included": waited,
        "tokenise": tokenizer,
        "engine": engine,
        "decode, encode": handler - tokenizer - engine,
        "sockets, TorchServe, this client": whole - waited - handler,
    }
    for name, mean in steps.items():
        print(f"{name:34} {mean:8.2f} ms {mean / whole:6.0%}")
    print(f"{'a request':34} {whole:8.2f} ms")


if __name__ == "__main__":
    sys.exit(main())
