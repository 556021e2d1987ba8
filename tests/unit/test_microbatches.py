"""Texts are put into rows, and rows into microbatches."""

import random

import numpy as np
import pytest

from sentiment.inference.engines.engine import Layout, arrays
from sentiment.inference.microbatches import _FILLED, microbatches
from sentiment.inference.tokens import SECOND

# Numbers of tokens of sentences and of reviews.
LENGTHS = [random.Random(seed).choice([3, 9, 25, 40, 63, 64, 230, 512]) for seed in range(300)]


def width(rows: list[list[int]], lengths: list[int], step: int) -> int:
    longest = max(sum(lengths[index] for index in row) for row in rows)
    return -(-longest // step) * step


@pytest.mark.parametrize("layout", ["packed", "padded", "equal", "single"])
@pytest.mark.parametrize("step", [1, 16])
def test_each_text_is_in_one_row_and_no_microbatch_beyond_the_budget(
    layout: Layout, step: int
) -> None:
    result = microbatches(LENGTHS, tokens=1024, pad_to_multiple_of=step, layout=layout)
    placed = [index for rows in result for row in rows for index in row]
    assert sorted(placed) == list(range(len(LENGTHS)))
    for rows in result:
        assert len(rows) == 1 or len(rows) * width(rows, LENGTHS, step) <= 1024
        assert layout == "packed" or all(len(row) == 1 for row in rows)


def test_the_shortest_texts_come_first() -> None:
    result = microbatches([512, 3, 230, 25], tokens=1024, pad_to_multiple_of=1, layout="padded")
    assert result == [[[1]], [[3]], [[2]], [[0]]]


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("step", [1, 16])
def test_no_text_starts_a_row_that_it_leaves_mostly_empty(layout: Layout, step: int) -> None:
    lengths = list(range(65, 500))
    for rows in microbatches(lengths, tokens=4096, pad_to_multiple_of=step, layout=layout):
        longest, *others = sorted((lengths[row[0]] for row in rows), reverse=True)
        assert all(other >= _FILLED * longest for other in others)


@pytest.mark.parametrize("step", [1, 16])
def test_a_few_tokens_of_padding_cost_less_than_another_call(step: int) -> None:
    (rows,) = microbatches([10, 3, 16, 7], tokens=1024, pad_to_multiple_of=step, layout="padded")
    assert rows == [[2], [0], [3], [1]]
    sentences = list(range(5, 50))
    assert len(microbatches(sentences, tokens=4096, pad_to_multiple_of=step, layout="padded")) <= 4


def test_packed_sentences_have_little_padding() -> None:
    sentences = [random.Random(seed).randint(5, 50) for seed in range(64)]
    (rows,) = microbatches(sentences, tokens=4096, pad_to_multiple_of=16, layout="packed")
    assert sum(sentences) / (len(rows) * width(rows, sentences, 16)) > 0.9


def test_few_tokens_are_put_in_one_short_row() -> None:
    assert microbatches([17, 9], tokens=2048, pad_to_multiple_of=16, layout="packed") == [[[0, 1]]]


def test_a_short_text_fills_up_the_row_of_a_long_one() -> None:
    assert microbatches([20, 100], tokens=2048, pad_to_multiple_of=64, layout="packed") == [
        [[1, 0]]
    ]


def test_a_row_fits_a_text_longer_than_the_budget() -> None:
    assert microbatches([512, 512], tokens=256, pad_to_multiple_of=1, layout="packed") == [
        [[1]],
        [[0]],
    ]


def test_the_model_inputs_of_packed_rows() -> None:
    a, b, c = (np.array(ids, np.int32) for ids in ([7, 8, SECOND + 9], [5], [6, 4]))
    read = {name: array.tolist() for name, array in arrays([[a, b], [c]], 1, 3).items()}
    assert read == {
        "input_ids": [[7, 8, 9, 5, 1, 1], [6, 4, 1, 1, 1, 1]],
        "token_type_ids": [[0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
        "segment_ids": [[1, 1, 1, 2, 0, 0], [1, 1, 0, 0, 0, 0]],
        "attention_mask": [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]],
        "position_ids": [[0, 1, 2, 0, 0, 0], [0, 1, 0, 0, 0, 0]],
        "first_token": [0, 3, 6],
    }


def test_equal_rows_are_never_padded() -> None:
    lengths = [5, 7, 5, 5, 7]
    assert microbatches(lengths, tokens=64, layout="equal", pad_to_multiple_of=1) == [
        [[0], [2], [3]],
        [[1], [4]],
    ]


def test_the_single_layout_scores_one_text_per_call() -> None:
    rows = microbatches([5, 5, 3], tokens=64, layout="single", pad_to_multiple_of=1)
    assert rows == [[[2]], [[1]], [[0]]]
