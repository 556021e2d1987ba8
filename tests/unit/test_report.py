"""`sentiment report`: what it shows, and that nothing in the data set can become markup."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from sentiment_client.cli import main
from sentiment_client.datasets.source import Source
from sentiment_client.datasets.statistics import EXAMPLES, Statistics

EVIL = """</title><script>alert(1)</script><img src="http://example.com/x" onerror='x'> & $title"""


def rows(count: int = 900) -> list[dict[str, Any]]:
    """A scored data set with three labels."""
    labels = ["GOOD", "BAD", EVIL]
    return [
        {
            "review": f"{EVIL} {i}",
            "when": f"2026-{1 + i % 6:02}-{1 + i % 28:02}T10:00:00" if i % 9 else "soon",
            "shop": f"shop {i % 40}" if i % 2 else EVIL,
            "label": labels[i % 3],
            "score": 0.4 + 0.6 * i / count,
            "tokens": 3 + i % 200,
            "truncated": i % 100 == 0,
        }
        for i in range(count)
    ]


@pytest.fixture(params=["csv", "parquet"])
def scored(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    path = tmp_path / f"scored.{request.param}"
    table = pa.Table.from_pylist(rows())
    (pq.write_table if request.param == "parquet" else pyarrow.csv.write_csv)(table, path)
    return path


def report(path: Path, *arguments: str) -> str:
    assert main(["report", str(path), "--column", "review", *arguments]) == 0
    return path.with_suffix(".html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collects the tags and attributes of a document."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attributes)


def test_the_report_is_one_file_without_script_and_links(
    scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = report(scored, "--time", "when", "--by", "shop")
    assert capsys.readouterr().out == f"{scored.with_suffix('.html')}\n"
    tags = Tags(content)
    assert tags.names <= {
        *("html", "meta", "title", "style", "h1", "h2", "p", "table", "caption", "tr", "th", "td"),
        *("svg", "rect"),
    }
    assert not tags.attributes & {"src", "href", "onerror", "style"}
    assert "default-src 'none'" in content
    assert "prefers-color-scheme: dark" in content
    assert EVIL in unescape(content)


def test_the_report_shows_every_part(scored: Path) -> None:
    content = report(scored, "--time", "when", "--by", "shop")
    headings = [unescape(heading) for heading in re.findall("<h2>(.*)</h2>", content)]
    assert headings == [
        *("Labels", "Confidence", "Length", "Trend", "By shop"),
        *(f"Most telling: {label}" for label in sorted(["GOOD", "BAD", EVIL])),
        "Least certain",
    ]
    assert "900 texts of 97 tokens on average, 9 of them truncated." in content
    assert "300 (33.3%)" in content
    assert "100 rows have no date" in content
    assert re.findall('<th scope="row">(2026-..)</th>', content) == [
        f"2026-0{month}" for month in range(1, 7)
    ]
    assert "(empty)" not in content


def test_the_statistics_are_those_of_the_rows(scored: Path) -> None:
    statistics = Statistics(time="when", by=["shop"])
    with Source(str(scored), "review") as source:
        for group in source.groups():
            statistics.add(group)
    expected = rows()
    assert statistics.labels == {"GOOD": 300, "BAD": 300, EVIL: 300}
    assert statistics.tokens == sum(row["tokens"] for row in expected)
    assert statistics.lengths.total() == statistics.confidence.total() == 900
    assert statistics.days.total() + statistics.undated == 900
    assert statistics.groups["shop"][EVIL].total() == 450
    assert [e.text for e in statistics.uncertain] == [row["review"] for row in expected[:EXAMPLES]]
    assert [e.text for e in statistics.telling["GOOD"]] == [
        row["review"] for row in expected[::-1] if row["label"] == "GOOD"
    ][:EXAMPLES]


def test_many_groups_are_summed(tmp_path: Path) -> None:
    path = tmp_path / "scored.parquet"
    table = [row | {"shop": str(i % 100)} for i, row in enumerate(rows())]
    pq.write_table(pa.Table.from_pylist(table), path)
    content = report(path, "--by", "shop")
    assert "(70 others)</th>" in content


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--by", "none"], "no column named 'none'"),
        (["--column", "none"], "no column named 'none'"),
        (["--prefix", "p_"], "no column named 'p_label'"),
    ],
)
def test_missing_columns_are_named(
    scored: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(["report", str(scored), "--column", "review", *arguments]) == 1
    assert sentence in capsys.readouterr().err
    assert not scored.with_suffix(".html").exists()


def test_a_file_that_was_not_scored_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.csv"
    path.write_text("text,label,score,tokens,truncated\ngood,GOOD,high,3,false\n")
    assert main(["report", str(path)]) == 1
    assert "'score' holds more than numbers" in capsys.readouterr().err
    assert main(["report", "-", "--format", "csv"]) == 1
    assert "--output" in capsys.readouterr().err
