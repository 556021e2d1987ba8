"""Long texts and explanations sent to a second name of the archive hold no short text up."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import psutil
import pytest
import requests

from scripts.launcher.properties import Properties
from scripts.launcher.server import Server
from tests.conftest import running
from tests.integration.docs_examples import examples
from tests.integration.load import held_up

NAMES = ("sentiment", "documents")


@pytest.fixture(scope="module")
def both_names(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the settings that docs/performance.md shows."""
    folder = tmp_path_factory.mktemp("both")
    (shown,) = (e.code for e in examples("docs/performance.md") if e.language == "properties")
    (folder / "shown").write_text(shown, encoding="utf-8")
    settings = Properties.read(folder / "shown").values
    with running(archive, folder, **settings) as server:
        with server.management() as management:
            for name in NAMES:
                management.scale(1, model=name)  # waits until it is ready
        yield server


def test_only_the_worker_of_the_second_name_gives_way(both_names: Server) -> None:
    with both_names.management() as management:
        workers = {name: management.describe(name).workers[0].pid for name in NAMES}
    given_way = {name: psutil.Process(pid).nice() for name, pid in workers.items()}
    assert given_way["documents"] == given_way["sentiment"] + 10


def test_short_texts_are_answered_while_a_heavy_request_is_scored(both_names: Server) -> None:
    address = both_names.properties.inference
    for holding in (held_up(f"{address}/predictions/documents"), explained(address)):
        answer = requests.post(
            f"{address}/predictions/sentiment", json={"text": "Superb!"}, timeout=60
        )
        assert holding.is_alive(), "the heavy request was too short to tell"
        assert answer.json()["sentiment"] == "POSITIVE"
        holding.join()


def explained(address: str) -> Thread:
    """Ask for the reasons of many texts, as many as one request may have."""
    body = {"texts": [f"{n} The room was clean, the breakfast was cold." * 9 for n in range(64)]}
    url = f"{address}/explanations/documents"
    request = Thread(target=partial(requests.post, url, json=body, timeout=60))
    request.start()
    return request
