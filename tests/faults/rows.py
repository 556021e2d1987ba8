"""What each fault did, in a file from which `page.py` makes a table."""

import dataclasses
import json

from scripts.paths import ROOT
from tests.faults.traffic import Seen

ROWS = ROOT / ".run" / "faults.jsonl"


@dataclasses.dataclass(frozen=True)
class Row:
    """One fault; `passed_on` requests were sent to a second host by the front."""

    fault: str
    server: str
    plain: Seen
    ours: Seen
    passed_on: int = 0


def save(row: Row) -> None:
    """Append a row to the file."""
    ROWS.parent.mkdir(exist_ok=True)
    with ROWS.open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(row)) + "\n")


def read() -> list[Row]:
    """The rows in their order."""
    entries = map(json.loads, ROWS.read_text(encoding="utf-8").splitlines())
    return [Row(**{**e, "plain": Seen(**e["plain"]), "ours": Seen(**e["ours"])}) for e in entries]
