"""The loads under which every server is measured."""

from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = (1, 8, 32, 64)
RATES = (100, 300, 600)
# Texts per request, in loads with more than one.
MANY = 32
# Numbers of connections for all corpora but the first.
FEW_CONNECTIONS = (1, 64)


@dataclass(frozen=True)
class Load:
    """`corpus` is the name of the texts, `texts` the number of them per request.

    Closed loop: `connections` with one request in flight on each. Open loop: requests arrive at
    random, `rate` per second on average, however long the answers take. One of the two is 0.
    """

    corpus: str
    texts: int = 1
    connections: int = 0
    rate: int = 0
    seconds: int = 5

    @property
    def key(self) -> str:
        """Identifies the load within a run."""
        kind = f"c{self.connections}" if self.connections else f"r{self.rate}"
        return f"{self.corpus}/{self.texts}/{kind}"

    def __str__(self) -> str:
        texts = f"{count(self.texts, 'text')} per request"
        if self.rate:
            return f"{self.corpus}, {texts}, {self.rate} requests/s"
        return f"{self.corpus}, {texts}, {count(self.connections, 'connection')}"


def count(number: int, noun: str) -> str:
    """Return "1 text" or "32 texts"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def full(corpora: Sequence[str], seconds: int) -> list[Load]:
    """Every concurrency with one text and with many, and every rate, for the first corpus.

    The other corpora get fewer loads, since a slow server needs minutes for many long texts on
    every connection. Rates rise, so that the run can stop at the first one that saturates a server.
    """
    first, *others = corpora
    closed = [
        Load(first, texts, connections=connections, seconds=seconds)
        for texts in (1, MANY)
        for connections in CONNECTIONS
    ]
    for corpus in others:
        closed += [Load(corpus, 1, connections=c, seconds=seconds) for c in FEW_CONNECTIONS]
        closed.append(Load(corpus, MANY, connections=1, seconds=seconds))
    return closed + [Load(first, rate=rate, seconds=2 * seconds) for rate in RATES]


def quick(corpora: Sequence[str], seconds: int) -> list[Load]:
    """A few light loads: enough to rank the servers."""
    first, *others = corpora
    return [
        *(Load(first, 1, connections=c, seconds=seconds) for c in (1, 8, 64)),
        Load(first, MANY, connections=1, seconds=seconds),
        *(Load(corpus, 1, connections=1, seconds=seconds) for corpus in others),
        *(Load(first, rate=rate, seconds=2 * seconds) for rate in (25, 100)),
    ]
