"""Requests that arrive together are scored together, and a bad one costs no other."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests

from sentiment_client import SentimentClient
from tests.integration.texts import TEXTS

Counters = Callable[[], dict[str, float]]
JSON = {"Content-Type": "application/json"}


def post_together(url: str, bodies: list[tuple[dict[str, str], bytes]]) -> list[requests.Response]:
    """Send all at the same moment, each over a connection of its own."""
    start = Barrier(len(bodies))

    def post(body: tuple[dict[str, str], bytes]) -> requests.Response:
        start.wait()
        return requests.post(url, headers=body[0], data=body[1], timeout=60)

    with ThreadPoolExecutor(len(bodies)) as pool:
        return list(pool.map(post, bodies))


def as_json(value: object) -> tuple[dict[str, str], bytes]:
    return JSON, json.dumps(value).encode()


def test_64_requests_at_once_are_scored_in_a_few_batches(url: str, counters: Counters) -> None:
    before = counters()
    answers = post_together(url, [as_json({"text": TEXTS[i % len(TEXTS)]}) for i in range(64)])
    assert {answer.status_code for answer in answers} == {200}
    after = counters()
    assert after["sentiment_requests_total"] - before["sentiment_requests_total"] == 64
    assert after["sentiment_texts_total"] - before["sentiment_texts_total"] == 64
    # At the least two, of 32; the first few requests may make a small one of their own.
    assert 2 <= after["sentiment_batches_total"] - before["sentiment_batches_total"] <= 8


BAD: dict[str, tuple[dict[str, str], bytes, int, str | None]] = {
    "malformed JSON": (JSON, b'{"text": ', 400, "Malformed"),
    "an empty body": (JSON, b"", 400, "Malformed"),
    "no body and no type": ({}, b"", 400, "Malformed"),
    "invalid UTF-8": ({"Content-Type": "text/plain"}, b"\xff\xfe\xfd", 400, "Malformed"),
    "invalid UTF-8 in JSON": (JSON, b'{"text": "\xff"}', 400, "Malformed"),
    "a lone surrogate": (JSON, b'{"text": "\\ud800"}', 400, "Malformed"),
    "NaN": (JSON, b'{"text": NaN}', 400, "Malformed"),
    "100,000-deep JSON": (JSON, b"[" * 100_000, 400, "Malformed"),
    "a blank text": (*as_json({"text": " \n "}), 422, "Validation"),
    "a number for a text": (*as_json({"text": 3}), 422, "Validation"),
    "a list for a text": (*as_json({"text": ["good"]}), 422, "Validation"),
    "a bare list": (*as_json(["good"]), 422, "Validation"),
    "no text at all": (*as_json({}), 422, "Validation"),
    "a misspelt key": (*as_json({"txet": "good"}), 422, "Validation"),
    "a list of no texts": (*as_json({"texts": []}), 422, "Validation"),
    "too many texts": (*as_json({"texts": ["good"] * 129}), 413, "TooLarge"),
    "too long a text": ({}, b"good " * 20_001, 413, "TooLarge"),
    "a text of 5 MB": ({}, b"good " * 1_000_000, 413, None),
    "an image": ({"Content-Type": "image/png"}, b"\x89PNG", 415, "Unsupported"),
    "compressed": ({"Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "Unsupported"),
    "JSON as a form": (
        {"Content-Type": "application/x-www-form-urlencoded"},
        b'{"text": "a&b"}',
        415,
        "Unsupported",
    ),
}


@pytest.mark.usefixtures("same_workers")
def test_each_bad_request_gets_its_own_error_and_costs_no_other(
    url: str, client: SentimentClient, counters: Counters
) -> None:
    alone = [client.predict(text) for text in TEXTS]
    before = counters()
    mixed: list[tuple[dict[str, str], bytes]] = []
    for bad, text in zip(BAD.values(), TEXTS * 2, strict=False):
        mixed += [as_json({"text": text}), (bad[0], bad[1])]
    answers = post_together(url, mixed)
    batches = counters()["sentiment_batches_total"] - before["sentiment_batches_total"]
    assert batches <= len(mixed) / 3, "they were not scored together, so nothing was shown"

    for i in range(len(BAD)):
        expected, answer = alone[i % len(TEXTS)], answers[2 * i]
        assert answer.status_code == 200
        assert answer.json()["sentiment"] == expected.label
        assert answer.json()["scores"] == pytest.approx(dict(expected.scores), abs=1e-3)
    for (name, (_, _, status, error_type)), answer in zip(BAD.items(), answers[1::2], strict=True):
        assert answer.status_code == status, name
        if error_type is None:  # TorchServe's own front end says no more than the status
            assert answer.content == b"", name
            continue
        body: dict[str, Any] = answer.json()
        assert set(body) == {"error", "error_type"}, name
        assert body["error_type"] == error_type, name
        assert body["error"].endswith("."), name
        assert answer.headers["content-type"] == "application/json", name


def test_requests_of_one_and_of_many_texts_share_batches(
    url: str, client: SentimentClient, counters: Counters
) -> None:
    alone = {text: client.predict(text).scores for text in TEXTS}
    before = counters()
    bodies = [as_json({"texts": list(TEXTS)}), as_json({"text": TEXTS[0]})] * 16
    answers = post_together(url, bodies)
    assert counters()["sentiment_batches_total"] - before["sentiment_batches_total"] <= 8
    for answer in answers[::2]:
        for text, entry in zip(TEXTS, answer.json()["results"], strict=True):
            assert entry["scores"] == pytest.approx(dict(alone[text]), abs=1e-3)
    for answer in answers[1::2]:
        assert answer.json()["scores"] == pytest.approx(dict(alone[TEXTS[0]]), abs=1e-3)
