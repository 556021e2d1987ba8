"""Versions are registered and unregistered while the server runs."""

from pathlib import Path

import pytest
import requests

from scripts.launcher.server import Server
from sentiment_client import Conflict, ManagementClient, NotFound, SentimentError
from tests.conftest import altered, running


def test_a_model_is_listed_and_described(management: ManagementClient) -> None:
    assert management.list() == {"sentiment": "sentiment.mar"}
    model = management.describe()
    assert (model.name, model.version, model.archive) == ("sentiment", "1.0", "sentiment.mar")
    assert (model.batch_size, model.max_batch_delay, model.queue_size) == (32, 1, 1000)
    assert [worker.ready for worker in model.workers] == [True]
    assert management.describe_all() == (model,)


def test_a_second_version_is_registered_made_the_default_and_unregistered(
    archive: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second" / "second.mar"
    version = b'"modelVersion": "%s"'
    altered(
        archive,
        second,
        "MAR-INF/MANIFEST.json",
        lambda content: content.replace(version % b"1.0", version % b"2.0"),
    )
    second.rename(archive.parent / second.name)
    # Not the shared server, since TorchServe behaves differently afterwards: see the last lines.
    with running(archive, tmp_path, enable_model_api="true") as server:
        with server.management() as management:
            model = management.register("second.mar")
            assert (model.version, model.ready_workers) == ("2.0", 1)
            assert (model.batch_size, model.max_batch_delay) == (32, 1)
            assert management.default_version() == "1.0"
            with server.client(version="2.0") as client:
                assert client.predict("Great!").label == "POSITIVE"
            with pytest.raises(Conflict):
                management.register("second.mar")
            management.set_default("2.0")
            assert management.default_version() == "2.0"
            assert invoke(server) == 200
            management.set_default("1.0")
            management.unregister("sentiment", "2.0")
            assert [model.version for model in management.describe_all()] == ["1.0"]
            with pytest.raises(NotFound):
                management.describe("sentiment", "2.0")
        # TorchServe no longer knows the model of /invocations, as docs/api.md says.
        assert invoke(server) == 400
        assert invoke(server, "?model_name=sentiment") == 200


def invoke(server: Server, query: str = "") -> int:
    body = {"inputs": "Great!", "parameters": {}}
    address = f"{server.properties.inference}/invocations{query}"
    return requests.post(address, json=body, timeout=60).status_code


def test_an_unknown_model_is_not_found(management: ManagementClient) -> None:
    with pytest.raises(NotFound):
        management.describe("nonesuch")
    with pytest.raises(NotFound):
        management.scale(1, model="nonesuch")
    with pytest.raises(NotFound):
        management.register("nonesuch.mar")
    with pytest.raises(NotFound):
        management.set_default("9.9")


@pytest.mark.parametrize("path", ["https://127.0.0.1:1/x.mar", "file:///etc/x.mar", "../x.mar"])
def test_an_archive_from_outside_the_model_store_is_refused(
    server: Server, management: ManagementClient, path: str
) -> None:
    before = sorted(server.model_store.iterdir())
    with pytest.raises(SentimentError):
        management.register(path)
    with pytest.raises(SentimentError):
        management.send("POST", "/workflows", params={"url": path})
    assert sorted(server.model_store.iterdir()) == before


def test_a_count_below_zero_is_refused(management: ManagementClient) -> None:
    with pytest.raises(ValueError, match="fewer than 0"):
        management.scale(-1)
