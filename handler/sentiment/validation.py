"""Check values from JSON or YAML against a type, and explain errors.

The OpenAPI document is made from the same types.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from sentiment.errors import Malformed, Validation

# Most characters of an unknown name that an error quotes, and of the whole error.
_MAX_NAME, _MAX_SENTENCE = 40, 300
_KINDS = {
    "str": "a string",
    "string": "a string",
    "array": "a list",
    "object": "an object",
    "int": "a whole number",
    "integer": "a whole number",
    "float": "a number",
    "number": "a number",
    "bool": "a boolean",
    "boolean": "a boolean",
}


def validate(value: object, schema: Any, example: str) -> Any:
    """Convert `value`, which `json` loaded, to `schema`, a type that `msgspec` supports.

    Raises Validation (422), which names the place and quotes the `example`, and Malformed (400) for
    a lone surrogate in a name or an option.
    """
    try:
        return msgspec.convert(value, schema)
    except msgspec.ValidationError as error:
        raise Validation(f"{explain(error, schema)[:_MAX_SENTENCE]}: send {example}.") from None
    except UnicodeEncodeError:
        raise Malformed(f"A name or an option holds a lone surrogate: send {example}.") from None


def explain(error: msgspec.ValidationError, schema: Any) -> str:
    """Reword a message of `msgspec`, without a full stop; an unknown one is returned unchanged."""
    message, at, path = str(error).rpartition(" - at `$")
    if not at:
        message, path = path, ""
    where = f'"{path.strip("`.")}": ' if path else ""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f'{where}There is no field named "{match[1][:_MAX_NAME]}"'
    if match := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f'{where}The field "{match[1]}" is missing'
    if message.startswith("Invalid enum value"):
        return f"{where}Expected {' or '.join(_choices(schema, path)) or 'another value'}"
    return where + re.sub(r"`([^`]*)`", _kinds, message)


def _kinds(match: re.Match[str]) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in match[1].split(" | "))


def _choices(schema: Any, path: str) -> Iterator[str]:
    """What the field at the end of `path` may hold: values, or types."""
    name = re.findall(r"\w+", path)[-1]
    for struct in msgspec.json.schema(schema)["$defs"].values():
        field = struct["properties"].get(name, {})
        for option in field.get("anyOf", (field,)):
            if "enum" in option:
                yield from map(json.dumps, option["enum"])
            elif option.get("type") in _KINDS:
                yield _KINDS[option["type"]]
