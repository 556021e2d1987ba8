"""The examples of a document: programs, and the output that it shows."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from scripts.paths import ROOT
from sentiment.inference.agreement import SCORE

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+")


@dataclass(frozen=True)
class Example:
    """One block of code under a heading; `output` is the block below it, if there is one."""

    name: str
    language: str
    code: str
    output: str | None


def examples(document: str) -> Iterator[Example]:
    """Every block of a document, in order; a console block is one example per command."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for block in _FENCE.finditer(text):
        headings = re.findall(r"^#+ (.*)$", text[: block.start()], re.MULTILINE)
        name = headings[-1] if headings else document
        language, content, output = block.groups()
        if language != "console":
            yield Example(name, language, content, output)
            continue
        for command in content.split("$ ")[1:]:
            # A command continues after a line that ends in a backslash.
            parts = re.fullmatch(r"((?:[^\n]*\\\n)*[^\n]*\n)(.*)", command, re.DOTALL)
            assert parts, command
            yield Example(name, language, parts[1], parts[2] or None)


def assert_same(printed: str, shown: str) -> None:
    """Equal except for numbers, which in one text may differ by more than engines do on average."""
    assert _NUMBER.sub("#", printed).strip() == _NUMBER.sub("#", shown).strip()
    numbers, expected = ([float(n) for n in _NUMBER.findall(text)] for text in (printed, shown))
    assert numbers == pytest.approx(expected, abs=2 * SCORE)
