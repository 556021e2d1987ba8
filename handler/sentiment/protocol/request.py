"""One decoded request: its texts, each checked, and how their scores are computed."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from sentiment.errors import Malformed, RequestError, TooLarge, TooManyTexts, Validation, all_good
from sentiment.inference.options import DEFAULT, Options
from sentiment.inference.tokens import Pair, Text
from sentiment.protocol.body import type_name
from sentiment.served_model import ServedModel
from sentiment.settings import Settings


class Request(Struct, frozen=True):
    """`texts` are in the client's order, with an error in place of a text that cannot be scored.

    `payload` is the part of the body that the dialect needs to encode its answer.
    """

    texts: Sequence[Text | RequestError]
    options: Options = DEFAULT
    payload: Any = None

    def explained(self, settings: Settings) -> Self:
        """The same request with weights of words, for which its texts share `explain_tokens`."""
        share = max(settings.explain_tokens // len(self.texts), 1)
        return replace(self, options=replace(self.options, explain_tokens=share))


EMPTY_REQUEST = Request([])

# Checks one entry of a list; raises RequestError.
Check = Callable[[object, Settings], Text]


def check_text(value: object, settings: Settings) -> str:
    """Return `value` if it is a text that can be scored.

    Raises Validation (422) if it is not a string or is blank, TooLarge (413) if it has too many
    characters, and Malformed (400) for a lone surrogate, which JSON can hold but UTF-8 cannot.
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


def check_pair(text: object, text_pair: object, model: ServedModel) -> Pair:
    """Return two texts as a pair; raises what `check_text` raises, and Validation."""
    if not model.takes_pairs:
        raise Validation("This model scores single texts, not pairs: send each text as a string.")
    return Pair(check_text(text, model.settings), check_text(text_pair, model.settings))


def check_texts(
    values: Sequence[object], settings: Settings, check: Check = check_text
) -> list[Text | RequestError]:
    """Check many texts; raises TooManyTexts or Validation if there are too many or none."""
    if not values:
        raise Validation("There is no text in the list: send at least one.")
    if len(values) > settings.max_texts_per_request:
        raise TooManyTexts(
            f"The list has {len(values):,} texts; the most in one request is "
            f"{settings.max_texts_per_request:,}: send it in parts."
        )
    checked: list[Text | RequestError] = []
    for value in values:
        try:
            checked.append(check(value, settings))
        except RequestError as error:
            checked.append(error)
    return checked


def check_all(
    values: object, settings: Settings, check: Check = check_text
) -> list[Text | RequestError]:
    """Check one text or a list of them, for dialects without errors per text.

    Raises what `check_texts` raises, and the first bad text's error, with its index if `values` is
    a list.
    """
    if not isinstance(values, list):
        return [check(values, settings)]
    return list(all_good(check_texts(values, settings, check), indexed=True))
