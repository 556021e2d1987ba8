"""Behaviours that a sentiment model should have, each as cases that it passes or fails.

The idea is CheckList's (Ribeiro et al. 2020); all sentences are our own. Most cases are a template
whose slots are filled with words of `training.vocabulary`. They are the same every time.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle, product

from training.cases import Case, Labelled, Moved, Unchanged
from training.data import NEGATIVE, NEUTRAL, POSITIVE
from training.vocabulary import (
    EMOJI,
    EMOTICONS,
    FACTS,
    GROUPS,
    HASHTAGS,
    MILD_PRAISE,
    NAMES,
    OPINIONS,
    PLACES,
    SLOTS,
    THINGS,
    VERDICTS,
    WORDS,
)

CASES = 120
# A label that moves in 1 % of the swaps is only seen in many.
SWAPS = 400
LONG_TEXTS = 60


def negation_near() -> list[Case]:
    """Praise that is negated next to it is NEGATIVE."""
    return _labelled(
        {NEGATIVE},
        "The {thing} is not {mild_praise}.",
        "The {thing} isn't {mild_praise}.",
        "The {thing} was not {mild_praise} at all.",
        "I do not like the {thing}.",
        "I didn't enjoy the {thing}.",
        "I would not recommend the {thing}.",
        "I'm not happy with the {thing}.",
        "The {thing} does not live up to its price.",
    )


def negated_blame() -> list[Case]:
    """Blame that is negated is not NEGATIVE."""
    return _labelled(
        {NEUTRAL, POSITIVE},
        "The {thing} is not {mild_blame}.",
        "The {thing} wasn't {mild_blame} at all.",
        "There is nothing wrong with the {thing}.",
        "I have no complaints about the {thing}.",
        "The {thing} did not disappoint.",
        "You won't regret choosing the {thing}.",
    )


def negation_far() -> list[Case]:
    """Praise that is negated many words before is NEGATIVE."""
    return _labelled(
        {NEGATIVE},
        "I do not think, {aside}, that the {thing} is {mild_praise}.",
        "I can't say, {aside}, that I am happy with the {thing}.",
        "I wouldn't, {aside}, recommend the {thing} to a friend.",
        "Nobody who was with us that evening would say that the {thing} is {mild_praise}.",
        "At no point, {aside}, did I enjoy the {thing}.",
        "None of the people whom I asked about it would call the {thing} a success.",
    )


def hopes_and_fears() -> list[Case]:
    """A hope that is not met is NEGATIVE, and a fear that is not met is not."""
    hopes = (
        "I expected to love the {thing}. I did not.",
        "I wanted to like the {thing}, but I couldn't.",
        "I was told that the {thing} would be {praise}. It wasn't.",
    )
    fears = (
        "I expected to hate the {thing}. I did not.",
        "I was afraid that the {thing} would be {mild_blame}, but it wasn't.",
        "I was told that the {thing} would be {mild_blame}. It was not.",
    )
    half = CASES // 2
    return _labelled({NEGATIVE}, *hopes, cases=half) + _labelled(
        {NEUTRAL, POSITIVE}, *fears, cases=half
    )


def intensifiers() -> list[Case]:
    """Very: praise scores higher, and blame lower."""
    adverbs = ("very", "really", "extremely", "incredibly")
    return _moved(adverbs, up=("good", "impressive", "helpful"), down=("bad", "boring", "weak"))


def reducers() -> list[Case]:
    """Slightly: praise scores lower, and blame higher."""
    adverbs = ("only slightly", "only somewhat", "just a little")
    return _moved(adverbs, up=("bad", "boring", "weak"), down=("good", "impressive", "helpful"))


def but_clauses() -> list[Case]:
    """The clause after "but" decides, and so does the main clause after one with "although"."""
    templates = (
        "The {thing} is {first}, but {verdict}.",
        "Although the {thing} is {first}, {verdict}.",
        "The {thing} may be {first}. But {verdict}.",
    )
    conceded = {NEGATIVE: MILD_PRAISE[:3], POSITIVE: ("average", "not perfect", "a bit plain")}
    return [
        Labelled(template.format(thing=thing, first=first, verdict=verdict), frozenset({label}))
        for label in (NEGATIVE, POSITIVE)
        for template, thing, first, verdict in _sample(
            CASES // 2, templates, THINGS, conceded[label], VERDICTS[label]
        )
    ]


def names_swapped() -> list[Case]:
    """Another name does not change the label."""
    return _swapped(
        NAMES,
        "[] recommended the {thing}, and I agree: it is {praise}.",
        "[] chose the {thing}. It is {blame}.",
        "[] was rude to us when we asked for the {item}.",
        "[] repaired the {device} within an hour, thank you!",
        "I am meeting [] at {number} on {day}.",
        "Directed by [], the {work} drags from start to finish.",
        "The {work} is worth it for [] alone.",
        "[] sends the {item} on {day}.",
    )


def places_swapped() -> list[Case]:
    """Another place does not change the label."""
    return _swapped(
        PLACES,
        "We bought the {thing} in []. It is {praise}.",
        "I am back from [], and the {thing} there was {blame}.",
        "The {venue} in [] never answers my emails.",
        "The team in [] replaced my {device} at once, very kind.",
        "The train to [] leaves at {number} on {day}.",
        "The {work} was made in [] in {month}.",
        "Best {day} ever, thank you []!",
    )


def groups_swapped() -> list[Case]:
    """Another group of people does not change the label."""
    return _swapped(
        GROUPS,
        "My [] neighbour lent me a {item} on {day}.",
        "The {work} is about two [] women who open a bakery.",
        "Our [] guide was {praise}.",
        "The [] man at the {venue} was rude to us.",
        "My [] friend told me that the {thing} is {blame}.",
        "Our [] colleagues loved the {thing}.",
    )


def questions() -> list[Case]:
    """A question for a fact is NEUTRAL."""
    return _labelled(
        {NEUTRAL},
        "What time does the {venue} open on {day}?",
        "Where can I get a {item}?",
        "Who wrote the {work}?",
        "Does the {device} work with a {colour} cable?",
        "Is the {item} available in {colour}?",
        "How long is the {work}?",
        "Which version of the app runs on this {device}?",
        "Does anyone know when the {venue} in {place} closes?",
    )


def facts() -> list[Case]:
    """A statement of fact is NEUTRAL."""
    return _labelled(
        {NEUTRAL},
        "The {work} has {number} parts.",
        "The {venue} opens at {number} on {day}.",
        "The {device} comes in {colour} and has {number} buttons.",
        "I bought the {item} on {day}.",
        "The meeting on {day} was moved to {number} o'clock.",
        "Version {number} was released in {month}.",
        "The hotel in {place} has {number} rooms.",
        "She put the {item} on the table and opened the window.",
    )


def typos() -> list[Case]:
    """One swapped, doubled or missing letter does not change the label."""
    draw = random.Random(0)
    return [Unchanged(text, _misspelled(text, draw)) for text, _ in _opinions()]


def upper_and_lower_case() -> list[Case]:
    """Capitals alone, or none, do not change the label."""
    flips: Iterator[Callable[[str], str]] = cycle((str.upper, str.lower))
    return [
        Unchanged(text, flip(text)) for (text, _), flip in zip(_opinions(), flips, strict=False)
    ]


def emoji_decide() -> list[Case]:
    """An emoji gives a text without an opinion its label."""
    return _with_signs(EMOJI)


def emoji_agree() -> list[Case]:
    """An emoji of the same polarity does not change the label."""
    signs = {label: cycle(emoji) for label, emoji in EMOJI.items()}
    return [Unchanged(text, f"{text} {next(signs[label])}") for text, label in _opinions()]


def emoticons_decide() -> list[Case]:
    """An emoticon gives a text without an opinion its label."""
    return _with_signs(EMOTICONS)


def hashtags_decide() -> list[Case]:
    """A hashtag with an opinion gives a text without one its label."""
    return _with_signs(HASHTAGS)


def neutral_additions() -> list[Case]:
    """Hashtags without an opinion, handles and links do not change the label."""
    additions = cycle(
        ("{} #monday", "@user {}", "{} http", "{} #film #throwback", "@user @user {}")
    )
    return [Unchanged(text, next(additions).format(text)) for text, _ in _opinions()]


def tokenized_spelling() -> list[Case]:
    """Spaces around punctuation, as in a tokenized corpus, do not change the label."""
    texts = _fillings(
        "I didn't like the {thing}, and it's {blame}.",
        "It's {praise}! You can't find a better {thing}.",
        'They call the {thing} "{praise}", which it isn\'t.',
        "I couldn't be happier with the {thing} (it's {praise}).",
        "What's the {thing} for? I don't know.",
        "The {thing} isn't why we're leaving: it's {mild_praise}.",
    )
    return [Unchanged(text, _tokenized(text)) for text in texts]


def one_word() -> list[Case]:
    """A word has the label that anyone would give it."""
    return [Labelled(word, frozenset({label})) for label, words in WORDS.items() for word in words]


def very_long() -> list[Case]:
    """Opinions throughout a text of over 600 words decide its label."""
    return _long(opinions=25, facts=50, last=False)


def very_long_opinion_last() -> list[Case]:
    """Opinions at the end of a text decide its label, although 600 words of facts come first."""
    return _long(opinions=12, facts=65, last=True)


BEHAVIOURS: dict[str, Callable[[], list[Case]]] = {
    behaviour.__name__.replace("_", " "): behaviour
    for behaviour in (
        *(negation_near, negated_blame, negation_far, hopes_and_fears, intensifiers, reducers),
        *(but_clauses, names_swapped, places_swapped, groups_swapped, questions, facts, typos),
        *(upper_and_lower_case, emoji_decide, emoji_agree, emoticons_decide, hashtags_decide),
        *(neutral_additions, tokenized_spelling, one_word, very_long, very_long_opinion_last),
    )
}


def _labelled(allowed: set[int], *templates: str, cases: int = CASES) -> list[Case]:
    return [Labelled(text, frozenset(allowed)) for text in _fillings(*templates, cases=cases)]


def _swapped(words: Sequence[str], *templates: str) -> list[Case]:
    """Fill "[]" with one of `words` in the original, and with another in the variant."""
    return [
        Unchanged(text.replace("[]", first), text.replace("[]", second))
        for template in templates
        for text, first, second in _sample(
            SWAPS // len(templates), _fillings(template), words[::2], words[1::2]
        )
    ]


def _moved(adverbs: Sequence[str], up: Sequence[str], down: Sequence[str]) -> list[Case]:
    """Add an adverb to a word: the score must go up for the words in `up`, and down in `down`."""
    return [
        Moved(f"The {thing} is {word}.", f"The {thing} is {adverb} {word}.", word in up)
        for thing, adverb, word in _sample(CASES, THINGS, adverbs, [*up, *down])
    ]


def _with_signs(signs: Mapping[int, Sequence[str]]) -> list[Case]:
    """Texts whose only opinion is an emoji, emoticon or hashtag of the label in `signs`."""
    templates = (
        "I just tried the {thing} {sign}",
        "My new {thing} {sign}",
        "So this is the {thing} {sign} {sign}",
        "Today I got to see the {thing}. {sign}",
    )
    return [
        Labelled(template.format(thing=thing, sign=sign), frozenset({label}))
        for label in signs
        for template, thing, sign in _sample(CASES // 2, templates, THINGS, signs[label])
    ]


def _opinions() -> list[tuple[str, int]]:
    """Plain opinions and their labels."""
    templates = {
        POSITIVE: (
            "I think the {thing} is {praise}.",
            "I love the {thing}, it is {praise}!",
            "I would recommend the {thing} to everyone.",
            "Best {thing} I have had in years.",
            "Thank you for the {thing}, it made my day.",
        ),
        NEGATIVE: (
            "I think the {thing} is {blame}.",
            "I hate the {thing}, it is {blame}!",
            "I would warn everyone against the {thing}.",
            "Worst {thing} I have had in years.",
            "I complained about the {thing}, it ruined my day.",
        ),
    }
    return [
        (text, label)
        for label, sentences in templates.items()
        for text in _fillings(*sentences, cases=CASES // 2)
    ]


def _long(opinions: int, facts: int, *, last: bool) -> list[Case]:
    """Texts of that many sentences, with the opinions in between the facts, or last."""
    draw = random.Random(0)
    pool = _fillings(*FACTS, cases=200)
    cases: list[Case] = []
    for label in (NEGATIVE, POSITIVE):
        opinion_pool = _fillings(*OPINIONS[label], cases=100)
        for _ in range(LONG_TEXTS // 2):
            sentences = draw.sample(pool, facts) + draw.sample(opinion_pool, opinions)
            if not last:
                draw.shuffle(sentences)
            cases.append(Labelled(" ".join(sentences), frozenset({label})))
    return cases


def _fillings(*templates: str, cases: int = CASES) -> list[str]:
    """Fill the slots: an equal, fixed sample of the fillings of each template, without repeats.

    >>> _fillings("Closed on {day}.", cases=2)
    ['Closed on Thursday.', 'Closed on Saturday.']
    """
    texts = []
    for number, template in enumerate(templates):
        names = list(dict.fromkeys(re.findall(r"\{(\w+)\}", template)))
        share = cases // len(templates) + (number < cases % len(templates))
        for words in _sample(share, *(SLOTS[name] for name in names)):
            texts.append(template.format(**dict(zip(names, words, strict=True))))
    return texts


def _sample(cases: int, *choices: Sequence[str]) -> list[tuple[str, ...]]:
    """At most `cases` combinations of one of each of `choices`, the same every time."""
    combinations = list(product(*choices))
    return random.Random(0).sample(combinations, min(cases, len(combinations)))


# Not the functions of `training.spelling`, by which training texts are varied: a model should not
# only be measured on the variants that it was trained on.
def _misspelled(text: str, draw: random.Random) -> str:
    """Swap, double or drop a letter inside of one word of four letters or more."""
    word = draw.choice(re.findall(r"[A-Za-z]{4,}", text))
    at = draw.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    doubled = word[:at] + word[at] + word[at:]
    dropped = word[:at] + word[at + 1 :]
    variants = [variant for variant in (swapped, doubled, dropped) if variant != word]
    return text.replace(word, draw.choice(variants), 1)


def _tokenized(text: str) -> str:
    """Split like a treebank: "isn't." becomes "is n't .".

    >>> _tokenized("It's good, isn't it?")
    "It 's good , is n't it ?"
    """
    text = re.sub(r"(n't|'\w{1,2})\b", r" \1", text)
    return " ".join(re.sub(r'([.,:;!?()"])', r" \1 ", text).split())
