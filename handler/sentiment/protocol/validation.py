"""JSON -> the form that a dialect defines for it, or a sentence that says what to change.

The same definitions are what the OpenAPI document is made of.
"""

import json
import re
from typing import Any

import msgspec

from sentiment.errors import Malformed, Validation

# A name that a client made up, and a sentence that quotes one, are cut to so many characters.
_LONGEST_NAME, _LONGEST = 40, 300
_KINDS = {
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
}


def validate(value: object, form: Any, example: str) -> Any:
    """Check `value`, which `json` made, against `form`, a type that `msgspec` knows.

    Returns the form, filled in. Raises Validation (422) saying where it does not fit and showing
    the `example`, and Malformed (400) for a lone surrogate where none can be.
    """
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise Validation(f"{_sentence(str(error), form)[:_LONGEST]}: send {example}.") from None
    except UnicodeEncodeError:
        raise Malformed(f"A name or an option holds a lone surrogate: send {example}.") from None


def _sentence(message: str, form: Any) -> str:
    """`msgspec`'s message in our words; one in no known form stays as it is."""
    message, at, path = message.rpartition(" - at `$")
    if not at:
        message, path = path, ""
    where = f'"{path.strip("`.")}": ' if path else ""
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f'{where}There is no field named "{found[1][:_LONGEST_NAME]}"'
    if found := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f'{where}The field "{found[1]}" is missing'
    if message.startswith("Invalid enum value"):
        return f"{where}Expected {_values(form, path)}"
    return where + re.sub(r"`([^`]*)`", _kinds, message)


def _kinds(found: re.Match[str]) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in found[1].split(" | "))


def _values(form: Any, path: str) -> str:
    """The values that the field at the end of `path` may have."""
    name = re.findall(r"\w+", path)[-1]
    for struct in msgspec.json.schema(form)["$defs"].values():
        field = struct["properties"].get(name, {})
        for option in (field, *field.get("anyOf", ())):
            if "enum" in option:
                return " or ".join(json.dumps(value) for value in option["enum"])
    return "another value"
