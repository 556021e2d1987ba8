"""Write the table of faults in docs/reliability.md.

python -m tests.faults.page
"""

import os
import sys

from scripts.failure import Failure, reports_failures
from scripts.paths import ROOT
from tests.faults import rows
from tests.faults.rows import Row
from tests.faults.traffic import CONNECTIONS, PAUSE, Seen

PAGE = ROOT / "docs" / "reliability.md"
START, END = "<!-- the table of faults -->\n", "<!-- end of the table -->\n"
HEADER = (
    "| fault | what the servers did | lost without retry | lost by our client | passed on | "
    "longest wait |\n|---|---|--:|--:|--:|--:|\n"
)


@reports_failures()
def main() -> None:
    """Replace the table by the rows of the last run."""
    if not rows.ROWS.exists():
        raise Failure("No fault was measured: run 'make faults' as root, with nginx installed.")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    setting = (
        f"Measured on one machine with {os.cpu_count()} cores, which the two hosts, the front and\n"
        f"the clients share. Each of {CONNECTIONS} clients of either kind sends its next request\n"
        f"{PAUSE:g} s after an answer.\n\n"
    )
    table = HEADER + "".join(map(line, rows.read()))
    PAGE.write_text(f"{before}{START}{setting}{table}{END}{after}", encoding="utf-8")


def line(row: Row) -> str:
    """The row in Markdown."""
    longest = max(row.plain.longest, row.ours.longest)
    return (
        f"| {row.fault} | {row.server} | {lost(row.plain)} | {lost(row.ours)} | {row.passed_on} "
        f"| {longest:.1f} s |\n"
    )


def lost(seen: Seen) -> str:
    """The failed requests of all, by what the client saw."""
    if not seen.requests:
        return ""
    kinds = ", ".join(f"{number} x {kind}" for kind, number in sorted(seen.failures.items()))
    return f"{seen.failed} of {seen.requests:,}" + (f": {kinds}" if kinds else "")


if __name__ == "__main__":
    sys.exit(main())
