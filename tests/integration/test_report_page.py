"""The file that `sentiment report` writes, in a real browser, which loads nothing for it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import sync_playwright

from sentiment_client.cli import main
from tests.integration.browser import CHROMIUM, NEEDS_CHROMIUM, chromium, screenshot, visit
from tests.integration.texts import TEXTS

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NEEDS_CHROMIUM)

# The texts without spaces that the browser shows on more than one line.
BROKEN_WORDS = r"""() => {
  const broken = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(texts.currentNode);
    const text = texts.currentNode.data.trim();
    if (!/\s/.test(text) && range.getClientRects().length > 1) broken.push(text);
  }
  return broken;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1100])
def test_the_report_fits_its_window(tmp_path: Path, width: int, scheme: str) -> None:
    rows = [
        {
            "text": f"{TEXTS[i % len(TEXTS)]} {i}",
            "day": f"2026-0{1 + i % 9}-01",
            "shop": f"Shop {i % 7}",
            "label": ("POSITIVE", "NEGATIVE", "UNCERTAIN")[i % 3],
            "score": 0.4 + i / 1_000,
            "tokens": 1 + i % 200,
            "truncated": False,
        }
        for i in range(600)
    ]
    path = tmp_path / "scored.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert main(["report", str(path), "--time", "day", "--by", "shop"]) == 0
    url = path.with_suffix(".html").as_uri()
    with sync_playwright() as playwright, chromium(playwright) as browser:
        with visit(browser, url, width=width, scheme=scheme) as page:
            screenshot(page, f"report-{width}-{scheme}", full=True)
            assert page.evaluate(BROKEN_WORDS) == []
            assert page.evaluate("document.documentElement.scrollWidth") == width
