"""Every kind of checkpoint is scored as the pipeline scores it, in any batch, or is refused."""

import logging
import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from scripts.archive import export
from scripts.archive.independence import pick
from scripts.archive.probes import special_tokens
from scripts.archive.tolerance import TOLERANCES, difference
from sentiment.inference.microbatches import microbatches
from sentiment.inference.tokens import Pair, Text
from tests import zoo_table
from tests.zoo import ZOO, Kind
from tests.zoo_packaging import Package, package, pipeline_differences

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
# One kind per way in which texts share a call.
EXPORTED_ALWAYS = {
    *("RoBERTa", "BERT, pairs of texts", "DeBERTa-v3", "BART", "GPT-2, no pad token"),
}
KINDS = [pytest.param(kind, id=kind.name) for kind in ZOO]
SERVED = [param for kind, param in zip(ZOO, KINDS, strict=True) if not kind.refused]


def exports(kind: Kind) -> bool:
    """Whether to export this kind, which is slow; `make zoo` exports all of them."""
    return kind.name in EXPORTED_ALWAYS or "ZOO" in os.environ


@pytest.fixture(scope="module")
def packages() -> dict[str, Package]:
    """Cache of packages, by the name of their kind."""
    return {}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use one thread: models as small as these are slower with more."""
    monkeypatch.setattr(export, "threads", lambda: 1)


@pytest.fixture
def packaged(
    packages: dict[str, Package], tmp_path_factory: pytest.TempPathFactory, kind: Kind
) -> Package:
    if kind.name not in packages:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the exporter raises many
            packages[kind.name] = package(kind, tmp_path_factory.mktemp("zoo"), exports(kind))
    return packages[kind.name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_scored_as_in_the_pipeline_or_refused(
    kind: Kind, packaged: Package
) -> None:
    if kind.refused:
        assert kind.refused in packaged.refusal
        return
    assert not packaged.refusal
    assert packaged.layouts["torch"] == kind.torch, packaged.log
    if exports(kind):
        assert packaged.layouts.get("fp32") == kind.exported, packaged.log
    for name, largest in pipeline_differences(packaged).items():
        tolerance = TOLERANCES[name].reference
        assert tolerance is None or largest <= tolerance, name


@pytest.mark.parametrize("kind", SERVED)
def test_a_text_has_the_same_logits_in_any_batch(
    kind: Kind, packaged: Package, caplog: pytest.LogCaptureFixture
) -> None:
    pieces = st.sampled_from((*WORDS, *special_tokens(packaged.folder)))
    strings = st.lists(pieces, min_size=1, max_size=40).map(" ".join)
    pairs = st.builds(Pair, strings, strings) if packaged.takes_pairs else st.nothing()
    texts = strings | pairs
    scored: dict[tuple[str, bytes], NDArray[np.float32]] = {}

    def score_alone(name: str, ids: NDArray[np.int32]) -> NDArray[np.float32]:
        key = name, ids.tobytes()
        if key not in scored:
            scored[key] = packaged.engines[name].logits([[ids]])[0]
        return scored[key]

    @settings(max_examples=15, database=None)
    @given(st.lists(texts, min_size=2, max_size=12), st.data())
    def check(batch: list[Text], data: st.DataObject) -> None:
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
                moved = difference(logits, np.stack(expected), packaged.value_range)
                assert moved <= TOLERANCES[name].batch_effect, name

    with caplog.at_level(logging.WARNING):
        check()
    assert not caplog.records


def test_the_table_in_docs_models_lists_the_whole_zoo() -> None:
    lines = zoo_table.PAGE.read_text(encoding="utf-8").splitlines()
    for kind in ZOO:
        assert any(line.startswith(zoo_table.stable(kind)) for line in lines), kind.name
