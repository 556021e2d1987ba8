"""9. The engine in a loop, in one process and without a server: the upper bound.

Reads one call per line from stdin, as JSON, and writes its result as a line to stdout:

    {"engine": true}                              the engine's name
    {"texts": [...]}                              the label of each text
    {"texts": [...], "size": 1, "seconds": 5}     the seconds that each call of `size` texts took
"""

import itertools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.engine import load


def main() -> None:
    """Serve calls until stdin is closed."""
    # The engine's libraries may print to stdout, which must hold nothing but results.
    out, sys.stdout = sys.stdout, sys.stderr
    classifier = load()
    for line in sys.stdin:
        call = json.loads(line)
        if "engine" in call:
            result: Any = classifier.engine
        elif "seconds" in call:
            result = time_calls(classifier, call["texts"], call["size"], call["seconds"])
        else:
            result = [prediction.label for prediction in classifier.classify(call["texts"])]
        print(json.dumps(result), file=out, flush=True)


def time_calls(classifier: Any, texts: Sequence[str], size: int, seconds: float) -> list[float]:
    """Score `size` texts per call for some seconds; return the seconds that each call took."""
    calls = itertools.cycle([texts[i : i + size] for i in range(0, len(texts) - size + 1, size)])
    durations = []
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        classifier.classify(next(calls))
        durations.append(time.perf_counter() - start)
    return durations


if __name__ == "__main__":
    main()
