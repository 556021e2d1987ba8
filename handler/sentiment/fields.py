"""JSON -> the form that a dialect defines for it, or a sentence that says what to change.

The same definitions are what the OpenAPI document is made of.
"""

import re
from typing import Any

import msgspec

from sentiment.errors import Malformed, Validation

_LONGEST_NAME = 40
_KINDS = {
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "int": "a whole number",
    "float": "a number",
    "bool": "a boolean",
}


def read(value: object, form: Any, example: str) -> Any:
    """Check `value`, which `json` made, against `form`, a type that `msgspec` knows.

    Returns the form, filled in. Raises Validation (422) saying where it does not fit and showing
    the `example`, and Malformed (400) for a lone surrogate in a name.
    """
    try:
        return msgspec.convert(value, form)
    except msgspec.ValidationError as error:
        raise Validation(f"{_sentence(str(error))}: send {example}.") from None
    except UnicodeEncodeError:
        raise Malformed(f"A name holds a lone surrogate: send {example}.") from None


def _sentence(message: str) -> str:
    """`msgspec`'s message in our words; one in no known form stays as it is."""
    message, _, path = message.partition(" - at `$")
    where = f'"{path.strip("`.")}": ' if path else ""
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return f'{where}There is no field named "{found[1][:_LONGEST_NAME]}"'
    if found := re.fullmatch(r"Object missing required field `(.*)`", message):
        return f'{where}The field "{found[1]}" is missing'
    if re.match("Invalid enum value", message):
        return f"{where}There is no such value"
    return where + re.sub(r"`([^`]*)`", _kinds, message)


def _kinds(found: re.Match[str]) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in found[1].split(" | "))
