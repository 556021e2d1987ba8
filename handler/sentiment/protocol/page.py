"""The page for browsers, on which to try the model."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MARKER = '<script type="application/json" id="service">null</script>'


def render(service: Mapping[str, object]) -> bytes:
    """The page, in ASCII, with `service` as JSON inside.

    `service` holds `name`, `version`, `labels` and `max_texts_per_request`.
    """
    before, after = _template()
    # "<" is escaped, since "</script" in a string would end the script element.
    facts = json.dumps(service, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return f"{before}{_MARKER.replace('null', facts)}{after}".encode("ascii")


@cache
def _template() -> tuple[str, str]:
    """The page before and after its marker."""
    page = Path(__file__).with_suffix(".html").read_text(encoding="ascii")
    before, after = page.split(_MARKER)
    return before, after
