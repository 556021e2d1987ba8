"""Long texts in windows, texts by sentence, and the weights of words, with the real model."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from sentiment.inference.classifier import Classifier, combined
from sentiment.inference.options import Options
from sentiment.inference.prediction import Prediction
from sentiment.inference.sentences import sentence_spans

MODEL = Path(__file__).resolve().parents[2] / "model"
SENTENCES = Options(sentences=True)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Windows of 32 tokens, which overlap by 4."""
    return Classifier(MODEL, max_tokens=32, max_windows=4, threads=1)


def only(classifier: Classifier, text: str, options: Options = Options()) -> Prediction:  # noqa: B008
    (result,) = classifier.classify([text], options)
    assert isinstance(result, Prediction)
    return result


def test_windows_overlap_and_cover_the_whole_text(classifier: Classifier) -> None:
    (text,) = classifier.tokenizer(["good film " * 40])
    assert [len(window) for window in text.windows] == [32, 32, 2 + 80 - 2 * 26]
    inner = [window[1:-1] for window in text.windows]
    for one, next_one in pairwise(inner):
        assert np.array_equal(one[-4:], next_one[:4])
    assert not text.truncated


@pytest.mark.parametrize(
    ("words", "windows", "truncated"),
    [(30, 1, False), (31, 2, False), (108, 4, False), (109, 4, True), (1_000, 4, True)],
)
def test_a_text_is_truncated_only_after_the_last_window(
    classifier: Classifier, words: int, windows: int, truncated: bool
) -> None:
    result = only(classifier, "good " * words)
    assert (result.windows, result.truncated) == (windows, truncated)


def test_the_end_of_a_long_text_counts(classifier: Classifier) -> None:
    text = "It has a cast, a crew and a plot. " * 3
    praised = only(classifier, text + "Wonderful, moving, a masterpiece. " * 2)
    blamed = only(classifier, text + "Dreadful, dull, a waste of time. " * 2)
    assert praised.windows == blamed.windows == 2
    assert praised.scores["POSITIVE"] > blamed.scores["POSITIVE"] + 0.3


def test_a_request_for_fewer_tokens_truncates(classifier: Classifier) -> None:
    result = only(classifier, "good " * 100, Options(max_tokens=16))
    assert (result.tokens, result.windows, result.truncated) == (16, 1, True)
    # Even if it allows more than a window has.
    result = only(classifier, "good " * 100, Options(max_tokens=400))
    assert (result.tokens, result.windows, result.truncated) == (32, 1, True)


def test_the_logits_of_windows_are_averaged() -> None:
    windows = np.array([[1, 2], [3, 6]], np.float32)
    assert combined(windows).tolist() == [2, 4]
    assert combined(windows[:1]).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Good.", ["Good."]),
        ("  Good film.  Bad end!  ", ["Good film.", "Bad end!"]),
        (
            "\U0001f600 Great! I met Dr. Smith.\n\nNever again",
            ["\U0001f600 Great!", "I met Dr. Smith.", "Never again"],
        ),
        ("no end", ["no end"]),
        (" \n ", []),
    ],
)
def test_sentences_have_offsets_in_code_points(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text)] == sentences


def test_a_sentence_scores_as_if_it_came_alone(classifier: Classifier) -> None:
    text = "The room was lovely. The food was awful, and " + "very " * 40 + "cold."
    result = only(classifier, text, SENTENCES)
    assert result.sentences is not None
    assert [sentence.prediction.label for sentence in result.sentences] == ["POSITIVE", "NEGATIVE"]
    for sentence in result.sentences:
        # Alone, a long sentence would be read in windows.
        alone = only(classifier, text[sentence.start : sentence.end], Options(max_tokens=32))
        assert sentence.prediction.scores == pytest.approx(alone.scores, abs=1e-4)
    plain = only(classifier, text)
    assert replace(result, sentences=None).scores == pytest.approx(plain.scores, abs=1e-4)
    assert plain.sentences is None


def test_a_words_weight_is_what_the_score_loses_without_it(classifier: Classifier) -> None:
    text = "A gripping film."
    result = only(classifier, text, Options(explain_tokens=1_000))
    assert result.words is not None
    assert [text[word.start : word.end] for word in result.words] == ["A", "gripping", "film", "."]
    strongest = max(result.words, key=lambda word: word.weight)
    assert text[strongest.start : strongest.end] == "gripping"
    without = only(classifier, "A film.").scores[result.label]
    assert strongest.weight == pytest.approx(result.score - without, abs=1e-4)


def test_a_word_in_two_windows_is_left_out_of_both(classifier: Classifier) -> None:
    text = " ".join(f"w{number}" if number != 15 else "splendid" for number in range(20))
    (tokens,) = classifier.tokenizer([text], [Options(explain_tokens=100_000)])
    assert len(tokens.windows) == 2
    spans = [(word.start, word.end) for word in tokens.words]
    assert spans == sorted(set(spans))
    assert "".join(text[start:end] for start, end in spans) == text.replace(" ", "")
    shared = [word for word in tokens.words if len(word.variants) == 2]
    assert shared
    for word in tokens.words:
        for window, ids in word.variants:
            assert 2 <= len(ids) < len(tokens.windows[window])


def test_many_words_are_left_out_in_groups_within_the_budget(classifier: Classifier) -> None:
    text = "good " * 27
    (tokens,) = classifier.tokenizer([text], [Options(explain_tokens=29 * 9)])
    assert len(tokens.words) == 9
    assert sum(len(ids) for word in tokens.words for _, ids in word.variants) <= 29 * 9
    assert [word.start for word in tokens.words] == list(range(0, 27 * 5, 15))


def test_a_choice_of_labels_has_scores_that_add_up_to_one(classifier: Classifier) -> None:
    everything = only(classifier, "It is a film.")
    chosen = only(classifier, "It is a film.", Options(labels=("NEGATIVE", "POSITIVE")))
    assert set(chosen.scores) == {"NEGATIVE", "POSITIVE"}
    assert sum(chosen.scores.values()) == pytest.approx(1, abs=1e-5)
    total = everything.scores["NEGATIVE"] + everything.scores["POSITIVE"]
    assert chosen.scores["POSITIVE"] == pytest.approx(
        everything.scores["POSITIVE"] / total, abs=1e-5
    )


def test_the_temperature_changes_scores_and_no_label_nor_logits(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = only(classifier, "A good film.")
    logits = only(classifier, "A good film.", Options("none"))
    monkeypatch.setattr(classifier, "temperature", 4 * classifier.temperature)
    after = only(classifier, "A good film.")
    assert after.label == before.label
    assert 1 / len(after.scores) < after.score < before.score
    assert only(classifier, "A good film.", Options("none")).scores == logits.scores
