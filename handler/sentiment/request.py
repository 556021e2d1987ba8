"""One client's request: the texts to score, each checked, or the error that stands in its place."""

from collections.abc import Mapping
from dataclasses import dataclass

from sentiment.body import type_name
from sentiment.errors import Malformed, RequestError, TooLarge, Validation
from sentiment.settings import Settings


@dataclass(frozen=True)
class Request:
    """Texts in the client's order; an error in place of a text that cannot be scored."""

    texts: list[str | RequestError]


def check_text(value: object, settings: Settings) -> str:
    """Return `value` if it is a text that can be scored, else raise.

    Validation (422): not a string, or blank. TooLarge (413): too many characters. Malformed
    (400): a lone surrogate, which JSON can spell but UTF-8 cannot.
    """
    if not isinstance(value, str):
        raise Validation(f"The text must be a string, not {type_name(value)}.")
    if len(value) > settings.max_chars_per_text:
        raise TooLarge(
            f"The text has {len(value):,} characters; the most is "
            f"{settings.max_chars_per_text:,}: send it in parts."
        )
    if not value.strip():
        raise Validation("The text is blank: send some words.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed(
            f"The text holds a lone surrogate at character {error.start + 1}: "
            "send a whole character."
        ) from None
    return value


def check_texts(values: list[object], settings: Settings) -> list[str | RequestError]:
    """Check each of many; raises TooLarge or Validation when it is their number that is wrong."""
    if not values:
        raise Validation("There is no text in the list: send at least one.")
    if len(values) > settings.max_texts_per_request:
        raise TooLarge(
            f"The list has {len(values):,} texts; the most in one request is "
            f"{settings.max_texts_per_request:,}: send it in parts."
        )
    checked: list[str | RequestError] = []
    for value in values:
        try:
            checked.append(check_text(value, settings))
        except RequestError as error:
            checked.append(error)
    return checked


def only_field(fields: Mapping[str, object], names: tuple[str, ...]) -> object:
    """The value of the one field there may be, called by one of `names`; Validation if not so.

    A field that nobody reads is refused, because a misspelt one would be lost in silence.
    """
    for name in fields:
        if name not in names:
            raise Validation(f'There is no field named "{name[:40]}": send only {_quoted(names)}.')
    if len(fields) != 1:
        raise Validation(f"Send one field, named {_quoted(names)}.")
    (value,) = fields.values()
    return value


def _quoted(names: tuple[str, ...]) -> str:
    return " or ".join(f'"{name}"' for name in names)
