"""The facts that the server writes into the page are unchanged, and stay in their element."""

import json
import re
from html.parser import HTMLParser

import pytest

from sentiment.protocol.page import render

HOSTILE = "</script><script>alert(1)</script><!-- \u2028 \ud800 \U0001f600 ]]> &lt;"


class Scripts(HTMLParser):
    """Collects the attributes and content of every script element, as a browser parses them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[dict[str, str | None], str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.elements.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            attributes, text = self.elements[-1]
            self.elements[-1] = (attributes, text + data)


@pytest.mark.parametrize("text", ["sentiment", HOSTILE])
def test_the_page_holds_the_facts_that_it_was_given(text: str) -> None:
    service = {"name": text, "labels": [text], text: {"x": text}}
    page = render(service)
    assert page.isascii()
    scripts = Scripts(page.decode("ascii")).elements
    assert [attributes.get("type") for attributes, _ in scripts] == ["application/json", None]
    assert json.loads(scripts[0][1]) == service


def test_the_page_loads_no_other_file() -> None:
    page = render({}).decode("ascii").lower()
    assert "src=" not in page
    assert '<link rel="icon" href="data:' in page
    assert page.count("<link") == 1
    assert not re.search(r"@import|\burl\(", page)
