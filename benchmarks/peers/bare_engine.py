"""9. The engine in a loop, in one process and without a server: the limit.

Reads lines of JSON, `{"texts": [...], "size": 1, "seconds": 5}`, and answers each with the labels
of `texts` or, where there are seconds, with how long each call of `size` texts took. To
`{"engine": true}` the answer is the engine's name.
"""

import itertools
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.peers.engine import load


def main() -> None:
    """Answer until there is nothing more to read."""
    # The engine's libraries may print: the answers go where they cannot.
    out, sys.stdout = sys.stdout, sys.stderr
    classifier = load()
    for line in sys.stdin:
        asked = json.loads(line)
        if "engine" in asked:
            answer: Any = classifier.engine
        elif "seconds" in asked:
            answer = time_calls(classifier, asked["texts"], asked["size"], asked["seconds"])
        else:
            answer = [result.label for result in classifier.classify(asked["texts"])]
        print(json.dumps(answer), file=out, flush=True)


def time_calls(classifier: Any, texts: Sequence[str], size: int, seconds: float) -> list[float]:
    """Score `size` texts a call for so long; the seconds that each call took."""
    calls = itertools.cycle([texts[i : i + size] for i in range(0, len(texts) - size + 1, size)])
    took = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        classifier.classify(next(calls))
        took.append(time.perf_counter() - began)
    return took


if __name__ == "__main__":
    main()
