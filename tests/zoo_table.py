"""Package every kind of the zoo, and write the table in docs/models.md.

python -m tests.zoo_table
"""

import sys
import tempfile
import zipfile
from pathlib import Path

from scripts.archive.build import build
from scripts.failure import Failure
from scripts.paths import ROOT
from sentiment.inference.engines import read_record
from tests.zoo import ZOO, Kind
from tests.zoo_packaging import Package, make, pipeline_differences

PAGE = ROOT / "docs" / "models.md"
START, END = "<!-- the table of the zoo -->\n", "<!-- end of the table -->\n"
HEADER = (
    "| Checkpoint | Exported model | torch engine | Largest difference from the pipeline |\n"
    "|---|---|---|---|\n"
)


def main() -> int:
    """Build an archive of every kind, one at a time."""
    rows = []
    for kind in ZOO:
        print(f"== {kind.name}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(kind, archived(kind, Path(folder))))
        print(rows[-1], flush=True)
    write(rows)
    return 0


def archived(kind: Kind, folder: Path) -> Package:
    """The package inside a real archive of that kind."""
    try:
        build(str(make(kind, folder / "saved")), folder / "zoo.mar")
    except Failure as failure:
        return Package(folder, refusal=str(failure))
    with zipfile.ZipFile(folder / "zoo.mar") as content:
        content.extractall(folder / "unpacked")
    model = folder / "unpacked" / "model"
    return Package(model, record=read_record(model))


def row(kind: Kind, package: Package) -> str:
    """One line of the table."""
    if package.refusal:
        return f"{stable(kind)} refused |"
    figures = (f"{name} {value:.1g}" for name, value in pipeline_differences(package).items())
    return f"{stable(kind)} {', '.join(figures)} |"


def stable(kind: Kind) -> str:
    """The start of a line of the table, which is the same on every machine."""
    exported = f"{kind.exported} rows" if kind.exported else "none"
    return f"| {kind.name} | {exported} | {kind.torch} rows |"


def write(rows: list[str]) -> None:
    """Replace the table in docs/models.md."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    table = HEADER + "".join(f"{line}\n" for line in rows)
    PAGE.write_text(f"{before}{START}{table}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
