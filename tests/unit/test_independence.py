"""The check that no text changes the score of another one detects engines that leak."""

import random

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers.models.roberta.modeling_roberta import RobertaEmbeddings

from scripts.archive.independence import batch_effect, random_rows, score_alone
from scripts.archive.packing import skip_padding
from scripts.archive.tolerance import TOLERANCES, difference
from sentiment.inference.agreement import value_range
from sentiment.inference.engines.engine import Layout, Rows, arrays

SPECIAL = 2
TEXTS = [
    np.array([1, *range(10, 10 + length), *[SPECIAL] * (length % 3)], np.int32)
    for length in (1, 2, 3, 5, 9, 9, 9, 30, 60, 124)
]


class Leaking:
    """An engine whose logits are sums of ids, changed by the `leak` of that name."""

    pad_to_multiple_of = 1
    best_microbatch_tokens = 2048

    def __init__(self, leak: str, layout: Layout) -> None:
        self.leak, self.layout = leak, layout

    def logits(self, rows: Rows) -> NDArray[np.float32]:
        texts = [text for row in rows for text in row]
        sums = np.array([[text.sum(), -text.sum()] for text in texts], np.float32)
        sums /= np.float32(1000)
        width = max(sum(map(len, row)) for row in rows)
        if self.leak == "padding":
            sums += [[width - sum(map(len, row))] for row in rows for _ in row]
        elif self.leak == "order":
            sums += np.arange(len(texts))[:, None]
        elif self.leak == "special tokens":
            counts = [int((text == SPECIAL).sum()) for text in texts]
            if len(set(counts)) > 1:
                sums = np.roll(sums, counts[0])
        elif self.leak == "neighbors in a row":
            sums += [[len(row)] for row in rows for _ in row]
        return sums.astype(np.float32)


def effect(leak: str, layout: Layout) -> float:
    engine = Leaking(leak, layout)
    return batch_effect(engine, TEXTS, score_alone(engine, TEXTS))


@pytest.mark.parametrize("layout", ["packed", "padded", "equal", "single"])
def test_an_engine_that_leaks_nothing_passes(layout: Layout) -> None:
    assert effect("", layout) == 0


@pytest.mark.parametrize(
    ("leak", "layout"),
    [
        ("padding", "padded"),
        ("padding", "packed"),
        ("order", "equal"),
        ("order", "padded"),
        ("special tokens", "padded"),
        ("neighbors in a row", "packed"),
    ],
)
def test_an_engine_that_leaks_exceeds_the_tolerance(leak: str, layout: Layout) -> None:
    assert effect(leak, layout) > TOLERANCES["int8"].batch_effect


def test_a_leak_that_the_layout_avoids_is_harmless() -> None:
    assert effect("padding", "equal") == 0
    assert effect("order", "single") == 0


@pytest.mark.parametrize("layout", ["packed", "padded", "equal", "single"])
def test_random_batches_respect_the_layout(layout: Layout) -> None:
    draw = random.Random(1)
    lengths = [len(text) for text in TEXTS]
    sizes = set()
    for _ in range(50):
        rows = random_rows(lengths, layout, draw)
        indices = [index for row in rows for index in row]
        assert len(set(indices)) == len(indices)
        assert layout == "packed" or all(len(row) == 1 for row in rows)
        assert layout != "equal" or len({lengths[index] for index in indices}) == 1
        sizes.add(len(indices))
    assert (max(sizes) == 1) == (layout == "single")


def test_positions_in_packed_rows_skip_typed_padding_as_roberta_does() -> None:
    pad = 1
    texts = [np.array(ids, np.int32) for ids in ([0, 5, pad, 6, 2], [pad, pad, 7], [0, 8, 2, pad])]
    rows = [texts[:2], texts[2:]]
    inputs = {name: torch.from_numpy(array) for name, array in arrays(rows, pad, 4).items()}
    packed = skip_padding(inputs["input_ids"], inputs["position_ids"], pad)
    places = [
        packed.flatten()[start : start + len(text)]
        for start, text in zip(inputs["first_token"].tolist(), texts, strict=True)
    ]
    for text, got in zip(texts, places, strict=True):
        expected = RobertaEmbeddings.create_position_ids_from_input_ids(
            torch.from_numpy(text[None]).long(), pad
        )[0]
        assert got.tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("logits", "reference", "expected"),
    [
        ([0.5, 0.1], [0.4, 0.1], 0.1),
        ([250_001.0, 0.0], [250_000.0, 0.0], 4e-6),
        ([np.nan, 0.0], [0.0, 0.0], np.inf),
        ([np.inf, 0.0], [np.inf, 0.0], 0.0),
    ],
)
def test_a_difference_is_relative_to_large_logits(
    logits: list[float], reference: list[float], expected: float
) -> None:
    got = difference(np.array([logits], np.float32), np.array([reference], np.float32))
    assert got == pytest.approx(expected, rel=1e-3)


def test_values_of_a_regression_are_compared_on_the_scale_of_their_range() -> None:
    reference = np.array([[250_000.0], [250_100.0]], np.float32)
    moved = reference + np.float32(10)
    assert difference(moved, reference) < 1e-4
    assert difference(moved, reference, value_range(reference)) == pytest.approx(0.1, rel=0.05)
    last_place = np.nextafter(reference, np.float32(np.inf))
    assert difference(last_place, reference, value_range(reference)) == 0
