"""What a browser is shown at the service's own address: a page to try it on, and its reference."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_MARKER = '<script type="application/json" id="service">null</script>'


def render(service: Mapping[str, object]) -> bytes:
    """The page, in ASCII, for a service with these facts.

    They are `name`, `version`, `labels`, `max_texts_per_request` and `openapi`, its OpenAPI 3.1
    document; all must be what `json` can encode.
    """
    before, after = _template()
    # In a script element HTML looks for "</script" and "<!--", and JSON has no other use for "<".
    facts = json.dumps(service, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return f"{before}{_MARKER.replace('null', facts)}{after}".encode("ascii")


@cache
def _template() -> tuple[str, str]:
    """The page before and after its marker."""
    page = Path(__file__).with_suffix(".html").read_text(encoding="ascii")
    before, after = page.split(_MARKER)
    return before, after
