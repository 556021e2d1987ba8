"""The messages in docs/operations.md are those of the code."""

import ast
import re

import pytest

from scripts.paths import ROOT

RUNBOOK = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TABLE = RUNBOOK.partition("## When it will not start")[2].partition("\n## ")[0]
MESSAGES = re.findall(
    r"`([^`]+\.?)`", "\n".join(re.findall(r"^\| (`.*?`) \|", TABLE, re.MULTILINE))
)


def source_messages() -> list[str]:
    """Every text in the code of `scripts`, with "…" in place of what it inserts."""
    messages = []
    for path in (ROOT / "scripts").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = node.values
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                parts = [node]
            else:
                continue
            messages.append(
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts
                )
            )
    return messages


@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_of_the_runbook_is_one_of_the_code(message: str) -> None:
    pattern = ".*".join(re.escape(piece.strip(" .:")) for piece in message.split("…"))
    assert any(re.search(pattern, text, re.DOTALL) for text in source_messages())


def test_the_runbook_has_the_messages() -> None:
    assert len(MESSAGES) > 25
