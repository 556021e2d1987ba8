"""Another version goes into service, and back out of it, while clients send requests."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import ManagementClient
from sentiment_client.cli import main
from tests.conftest import altered, running, with_version

CONNECTIONS = 8
Sentiment = Callable[..., int]


@pytest.fixture(scope="module")
def rollout_server(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own, with archives of two more versions in its model store."""
    folder = tmp_path_factory.mktemp("rollout")
    for version in ("2.0", "3.0"):
        copy = folder / version / f"sentiment-{version}.mar"
        altered(archive, copy, "MAR-INF/MANIFEST.json", with_version(version))
        copy.rename(archive.parent / copy.name)
    broken = folder / "broken" / "broken.mar"
    altered(archive, broken, "MAR-INF/MANIFEST.json", with_version("4.0"), without="model/")
    broken.rename(archive.parent / broken.name)
    with running(archive, folder, enable_model_api="true") as started:
        yield started


@pytest.fixture
def sentiment(rollout_server: Server) -> Sentiment:
    """Run the command against that server; returns its exit code."""
    properties = rollout_server.properties
    addresses = ["--address", properties.inference, "--management", properties.management]
    return lambda *arguments: main([*arguments, *addresses])


@pytest.fixture
def management(rollout_server: Server) -> Iterator[ManagementClient]:
    with rollout_server.management() as client:
        yield client


@contextmanager
def load(server: Server) -> Iterator[list[str]]:
    """Send requests without a pause or a retry; the list holds "200", or what went wrong."""
    url = f"{server.properties.inference}/predictions/sentiment"
    outcomes: list[str] = []
    stop = Event()

    def send() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                try:
                    answer = session.post(url, json={"text": "Superb!"}, timeout=60)
                    right = answer.ok and answer.json()["sentiment"] == "POSITIVE"
                    outcomes.append("200" if right else answer.text)
                except requests.RequestException as error:
                    outcomes.append(str(error))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for _ in range(CONNECTIONS):
            pool.submit(send)
        try:
            yield outcomes
        finally:
            stop.set()


def test_no_request_fails_while_a_version_goes_into_service_and_back(
    rollout_server: Server,
    sentiment: Sentiment,
    management: ManagementClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("Superb!\nAwful.\nThe parcel arrived on Tuesday.\n", encoding="utf-8")
    with load(rollout_server) as outcomes:
        check = ("--check", str(texts), "--max-flips", "0")
        assert sentiment("deploy", "sentiment-2.0.mar", *check) == 0
        assert management.default_version() == "2.0"
        deployed = len(outcomes)
        assert sentiment("rollback") == 0
        assert management.default_version() == "1.0"
    assert set(outcomes) == {"200"}
    assert 0 < deployed < len(outcomes)
    assert [len(management.describe("sentiment", v).workers) for v in ("1.0", "2.0")] == [1, 0]
    shown = capsys.readouterr().out
    assert "0 of 3 labels change" in shown
    assert "2.0 answers now; 1.0 stays registered" in shown
    # A version without workers costs no other route anything.
    answer = requests.post(
        f"{rollout_server.properties.inference}/invocations",
        json={"inputs": "Superb!", "parameters": {}},
        timeout=60,
    )
    assert answer.ok


def test_a_version_that_changes_too_much_does_not_go_into_service(
    archive: Path,
    sentiment: Sentiment,
    management: ManagementClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("Superb!\nAwful.\n", encoding="utf-8")
    other = tmp_path / "other" / "other.mar"
    altered(archive, other, "MAR-INF/MANIFEST.json", with_version("5.0"))
    swapped = tmp_path / "swapped" / "swapped.mar"
    altered(other, swapped, "model/config.json", swap_labels)
    swapped.rename(archive.parent / swapped.name)
    assert sentiment("deploy", "swapped.mar", "--check", str(texts), "--max-flips", "50%") == 1
    assert management.default_version() == "1.0"
    assert management.describe("sentiment", "5.0").workers == ()
    shown = capsys.readouterr().out
    assert "2 of 2 labels change" in shown
    assert "5.0 does not go into service" in shown
    management.unregister("sentiment", "5.0")
    check = ("--check", str(texts), "--max-flips", "0")
    assert sentiment("deploy", "swapped.mar", *check, "--json") == 1
    comparison, refusal = map(json.loads, capsys.readouterr().out.splitlines())
    assert comparison["flips"] == 2
    assert refusal == {"version": "1.0", "refused": "5.0"}


def swap_labels(content: bytes) -> bytes:
    return (
        content.replace(b'"NEGATIVE"', b'"x"')
        .replace(b'"POSITIVE"', b'"NEGATIVE"')
        .replace(b'"x"', b'"POSITIVE"')
    )


def test_a_version_that_does_not_load_leaves_the_old_one_in_service(
    sentiment: Sentiment, management: ManagementClient, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sentiment("deploy", "broken.mar", "--wait", "8") == 1
    assert "0 of 1 workers are ready" in capsys.readouterr().err
    assert management.default_version() == "1.0"
    assert management.describe("sentiment", "4.0").max_workers == 0


def test_versions_are_listed_and_unregistered(
    sentiment: Sentiment, management: ManagementClient, capsys: pytest.CaptureFixture[str]
) -> None:
    management.register("sentiment-3.0.mar", workers=0)
    assert sentiment("versions") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "1.0\tsentiment.mar\t1 ready workers\tdefault" in lines
    assert "3.0\tsentiment-3.0.mar\t0 ready workers" in lines
    assert sentiment("versions", "--unregister", "1.0") == 1
    assert "is the default version" in capsys.readouterr().err
    assert sentiment("versions", "--unregister", "3.0") == 0
    assert "3.0" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("deploy", "nonesuch.mar"), "nonesuch.mar"),
        (("deploy", "sentiment.mar"), "already registered"),
        (("deploy", "sentiment.mar", "--max-flips", "1%"), "--check"),
        (("rollback", "1.0"), "default version already"),
        (("rollback", "9.9"), "9.9"),
    ],
)
def test_a_wrong_name_is_a_sentence(
    sentiment: Sentiment,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    reason: str,
) -> None:
    assert sentiment(*arguments) == 1
    assert reason in capsys.readouterr().err
