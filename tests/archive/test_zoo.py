"""Every kind of checkpoint: served as the pipeline scores it, in any company, or refused."""

import logging
import shutil
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.archive.independence import alone, pick
from scripts.archive.probes import special_tokens
from sentiment.inference.engines.tolerance import TOLERANCES, difference
from sentiment.inference.microbatches import microbatches
from tests.zoo import ZOO, Kind
from tests.zoo_packaging import Package, package, pipeline_logits

WORDS = (
    "good",
    "film",
    "The",
    "acting",
    "is",
    "wooden",
    "电影",
    "GATTACA",
    "é",
    "\N{GRINNING FACE}",
)
# Scored as the pipeline does, for every engine that computes in fp32.
TEXTS = ("A gripping film.", "Dull, and far too long! " * 3, "No. " * 200, " ")
KINDS = [pytest.param(kind, id=kind.name) for kind in ZOO]
EXPORTED = [param for kind, param in zip(ZOO, KINDS, strict=True) if not kind.refused]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Package]]:
    """The packages that were made, by the name of their kind."""
    made: dict[str, Package] = {}
    yield made
    for entry in made.values():
        shutil.rmtree(entry.folder)


@pytest.fixture
def packaged(
    packages: dict[str, Package], tmp_path_factory: pytest.TempPathFactory, kind: Kind
) -> Package:
    if kind.name not in packages:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an exporter has many
            packages[kind.name] = package(kind, tmp_path_factory.mktemp("zoo"))
    return packages[kind.name]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_served_as_the_pipeline_scores_it_or_refused(kind: Kind, packaged: Package) -> None:
    if kind.refused:
        assert kind.refused in packaged.refusal
        return
    assert not packaged.refusal
    assert packaged.layout == kind.layout, packaged.log
    specials = special_tokens(packaged.folder)
    texts = [*TEXTS, *(f"A {special} film {special}{special}" for special in specials)]
    tokens = packaged.tokenizer(texts)
    kept = [index for index, text in enumerate(tokens) if len(text.ids)]
    expected = pipeline_logits(packaged.folder, [texts[i] for i in kept], packaged.max_tokens)
    for name, engine in packaged.engines.items():
        tolerance = TOLERANCES[name].reference
        if tolerance is not None:
            logits = alone(engine, [tokens[i].ids for i in kept])
            assert difference(logits, expected) <= tolerance, name


@pytest.mark.parametrize("kind", EXPORTED)
def test_a_text_has_the_same_answer_in_any_company(
    kind: Kind, packaged: Package, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = st.sampled_from((*WORDS, *special_tokens(packaged.folder)))
    texts = st.lists(pieces, min_size=1, max_size=40).map(" ".join)
    scored: dict[tuple[str, bytes], NDArray[np.float32]] = {}

    def score_alone(name: str, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        key = name, ids.tobytes()
        if key not in scored:
            scored[key] = packaged.engines[name].logits([[ids]])[0]
        return scored[key]

    @settings(max_examples=15, database=None)
    @given(st.lists(texts, min_size=2, max_size=12), st.data())
    def check(batch: list[str], data: st.DataObject) -> None:
        ids = [text.ids for text in packaged.tokenizer(batch) if len(text.ids)]
        if not ids:
            return
        for name, engine in packaged.engines.items():
            for rows in microbatches(
                [len(text) for text in ids],
                tokens=data.draw(st.sampled_from([16, 128, 2048])),
                layout=engine.layout,
                pad_to_multiple_of=engine.pad_to_multiple_of,
            ):
                rows = data.draw(st.permutations(rows))
                logits = engine.logits(pick(ids, rows))
                expected = [score_alone(name, ids[index]) for row in rows for index in row]
                moved = difference(logits, np.stack(expected))
                assert moved <= TOLERANCES[name].company, name

    with caplog.at_level(logging.WARNING):
        check()
    assert not caplog.records
