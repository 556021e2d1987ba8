"""The loads that every server is put under."""

from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = (1, 8, 32, 64)
RATES = (100, 300, 600)
MANY = 32
FEW = (1, 64)  # of connections


@dataclass(frozen=True)
class Load:
    """`corpus` names the texts, `texts` says how many a request has.

    Closed loop: so many `connections`, each of which sends when it has its answer. Open loop:
    requests arrive at random at `rate` a second, however long the answers take. One of the two
    is 0.
    """

    corpus: str
    texts: int = 1
    connections: int = 0
    rate: int = 0
    seconds: int = 5

    @property
    def key(self) -> str:
        """What tells it from the other loads of a run."""
        kind = f"c{self.connections}" if self.connections else f"r{self.rate}"
        return f"{self.corpus}/{self.texts}/{kind}"

    def __str__(self) -> str:
        texts = "1 text" if self.texts == 1 else f"{self.texts} texts"
        if self.rate:
            return f"{self.corpus}, {texts} a request, {self.rate} requests/s"
        connections = "1 connection" if self.connections == 1 else f"{self.connections} connections"
        return f"{self.corpus}, {texts} a request, {connections}"


def full(corpora: Sequence[str], seconds: int) -> list[Load]:
    """Every concurrency with one text and with many, and every rate, of the first corpus.

    Of the others less: where texts are long, a turn of all connections with many texts takes a
    slow server minutes. Lower rates come first: a server is not asked for more than it failed at.
    """
    first, *others = corpora
    closed = [
        Load(first, texts, connections=connections, seconds=seconds)
        for texts in (1, MANY)
        for connections in CONNECTIONS
    ]
    for corpus in others:
        closed += [Load(corpus, 1, connections=c, seconds=seconds) for c in FEW]
        closed.append(Load(corpus, MANY, connections=1, seconds=seconds))
    return closed + [Load(first, rate=rate, seconds=2 * seconds) for rate in RATES]


def quick(corpora: Sequence[str], seconds: int) -> list[Load]:
    """A few of them, and none that a slow server needs long for: the order of the servers."""
    first, *others = corpora
    return [
        *(Load(first, 1, connections=c, seconds=seconds) for c in (1, 8, 64)),
        Load(first, MANY, connections=1, seconds=seconds),
        *(Load(corpus, 1, connections=1, seconds=seconds) for corpus in others),
        *(Load(first, rate=rate, seconds=2 * seconds) for rate in (25, 100)),
    ]
