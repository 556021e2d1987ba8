"""What the `sentiment` command prints below a text: its sentences, and its most telling words."""

from collections.abc import Iterator

from sentiment_client.models import Prediction

MOST_WORDS = 5
# A word with less weight is not telling.
LEAST_WEIGHT = 0.005


def lines(text: str, prediction: Prediction) -> Iterator[str]:
    """The details that were requested, one per line, in columns separated by tabs."""
    if prediction.mixed:
        yield "mixed\tsome sentences are clearly positive, others clearly negative"
    for sentence in prediction.sentences or ():
        shown = _on_one_line(text[sentence.start : sentence.end])
        yield f"{sentence.label}\t{sentence.score:.4f}\t{shown}"
    if prediction.words is not None:
        telling = sorted(prediction.words, key=lambda word: -abs(word.weight))[:MOST_WORDS]
        words = [
            f'"{_on_one_line(text[word.start : word.end])}" {word.weight:+.4f}'
            for word in telling
            if abs(word.weight) >= LEAST_WEIGHT
        ]
        best = max(prediction.scores, key=prediction.scores.__getitem__)  # even of UNCERTAIN
        yield f"why {best}\t{', '.join(words) or 'no single word is telling'}"


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
