"""One client's request: the texts to score, each checked, and what to make of their scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sentiment.errors import Malformed, RequestError, TooLarge, Validation, all_good
from sentiment.inference.activation import Activation
from sentiment.protocol.body import type_name
from sentiment.settings import Settings


@dataclass(frozen=True)
class Request:
    """Texts in the client's order; an error in place of a text that cannot be scored.

    `function` makes scores of logits, None being the checkpoint's own. `asked` is the body as the
    dialect read it, for that dialect's answer.
    """

    texts: list[str | RequestError]
    function: Activation | None = None
    asked: Any = None


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


def check_texts(values: Sequence[object], settings: Settings) -> list[str | RequestError]:
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


def check_all(values: str | Sequence[object], settings: Settings) -> list[str | RequestError]:
    """Check one or many, for an answer that has no place for the error of one of them.

    Raises what `check_texts` does, and the first bad text's error; of many, it says the index.
    """
    if isinstance(values, str):
        return [check_text(values, settings)]
    return list(all_good(check_texts(values, settings), indexed=True))
