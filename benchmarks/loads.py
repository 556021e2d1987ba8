"""The loads that every server is put under."""

from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = (1, 8, 32, 64)
RATES = (25, 100, 300, 600)
MANY = 32


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
    """Every concurrency with one text and with many, of each corpus; every rate, of the first.

    Of the others, requests with many texts come over one connection alone: where texts are long,
    one turn of all connections takes a slow server minutes. Lower rates come first: a server is
    not asked for more than it failed at.
    """
    closed = [
        Load(corpus, texts, connections=connections, seconds=seconds)
        for corpus in corpora
        for texts in (1, MANY)
        for connections in CONNECTIONS
        if texts == 1 or corpus == corpora[0] or connections == 1
    ]
    return closed + [Load(corpora[0], rate=rate, seconds=2 * seconds) for rate in RATES]


def quick(corpora: Sequence[str], seconds: int) -> list[Load]:
    """A few of them, and none that a slow server needs long for: the order of the servers."""
    first, *others = corpora
    return [
        *(Load(first, 1, connections=c, seconds=seconds) for c in (1, 8, 64)),
        Load(first, MANY, connections=1, seconds=seconds),
        *(Load(corpus, 1, connections=1, seconds=seconds) for corpus in others),
        *(Load(first, rate=rate, seconds=2 * seconds) for rate in (25, 100)),
    ]
