"""Spell a text differently without changing what it says: spacing, case, typos, emoticons."""

import random
import re

# What happens to a text, with its probability; "" keeps it.
_CHANGES = {"": 0.52, "spacing": 0.14, "case": 0.06, "typo": 0.22, "emoticon": 0.06}
_EMOJI = {
    ":)": "😊🙂😀😃👍❤😍",
    ":-)": "😊🙂😀😄",
    ":D": "😀😁😂😃🎉",
    ";)": "😉",
    ":(": "😞☹🙁😢😭👎😡",
    ":-(": "😞☹🙁😢",
    ":/": "😕😒🙄",
    "<3": "❤💕😍🥰💖",
}
# Emoji for the end of a text, by the index of its label.
_FITTING = {0: "😞😡👎😢😠💔🤬🤮😤😒🙄😭💩😫", 2: "😊👍❤😍😀🎉🥰👏🙌😁🔥💯🤩😎💕"}


def vary(text: str, target: tuple[float, ...], draw: random.Random) -> str:
    """Return `text`, or with probability 0.48 a variant of it, with the same label.

    A text whose label is certain may get an emoji at its end that fits `target`: its probabilities
    of NEGATIVE, NEUTRAL and POSITIVE.
    """
    (change,) = draw.choices(list(_CHANGES), list(_CHANGES.values()))
    if change == "spacing":
        return as_typed(text) if re.search(r" [.,;:!?)]", text) else as_tokenized(text)
    if change == "case":
        return draw.choice((str.lower, str.upper, str.title))(text)
    if change == "typo":
        return with_typo(text, draw)
    if change == "emoticon":
        return with_emoji(text, target, draw)
    return text


def as_typed(text: str) -> str:
    """Undo the treebank's tokenization, to get ordinary spelling: "do n't" becomes "don't"."""
    text = text.replace("-LRB-", "(").replace("-RRB-", ")")
    text = re.sub(r"(?:``|'')", '"', text)
    text = re.sub(r" (n't|'\w{1,2})\b", r"\1", text)
    text = re.sub(r"\( ", "(", text)
    return re.sub(r" ([.,;:!?)])", r"\1", text)


def as_tokenized(text: str) -> str:
    """Put spaces around punctuation, as the treebank does: "don't." becomes "do n't ."."""
    text = re.sub(r"(?<=\w)(n't|'(?:s|re|ve|ll|d|m))\b", r" \1", text)
    text = re.sub(r'\s*"\s*', ' " ', text).strip()
    return re.sub(r"(?<=\w)([.,;:!?)]+)(?=\s|$)", r" \1", text)


def with_typo(text: str, draw: random.Random) -> str:
    """Swap, drop or double a letter inside of one long word of about twelve."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    for index in draw.sample(long, min(len(long), 1 + len(words) // 12)):
        word = words[index]
        at = draw.randrange(1, len(word) - 1)
        words[index] = draw.choice(
            (
                word[:at] + word[at + 1] + word[at] + word[at + 2 :],
                word[:at] + word[at + 1 :],
                word[:at] + word[at] + word[at:],
            )
        )
    return " ".join(words)


def with_emoji(text: str, target: tuple[float, ...], draw: random.Random) -> str:
    """Write the text's emoticon as emoji; a certain text without one gets an emoji that fits."""
    for emoticon, emoji in _EMOJI.items():
        if emoticon in text:
            return text.replace(emoticon, draw.choice(emoji))
    fitting = _FITTING.get(target.index(max(target)))
    if fitting is None or max(target) < 1:
        return text
    return f"{text}{draw.choice((' ', ''))}{draw.choice(fitting) * draw.choice((1, 1, 2, 3))}"
