"""Split a text into sentences, with `sentencex`, which knows abbreviations and quotations."""

import sentencex


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """The start and end (exclusive) of each sentence in characters, without white space around it.

    White space alone is no sentence.
    """
    spans = []
    for boundary in sentencex.get_sentence_boundaries("en", text):
        start, end = boundary["start_index"], boundary["end_index"]
        sentence = text[start:end]
        start += len(sentence) - len(sentence.lstrip())
        end -= len(sentence) - len(sentence.rstrip())
        if start < end:
            spans.append((start, end))
    return spans
