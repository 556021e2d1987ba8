"""Requests that arrive together are scored together, and a bad one affects no other."""

import json
from typing import Any

import pytest

from sentiment_client import SentimentClient
from tests.integration.load import HOLDING_TEXTS, Counters, counted, held_up, post_together
from tests.integration.texts import TEXTS

JSON = {"Content-Type": "application/json"}


def as_json(value: object) -> tuple[dict[str, str], bytes]:
    return JSON, json.dumps(value).encode()


def test_64_requests_at_once_are_scored_in_a_few_batches(
    url: str, client: SentimentClient, counters: Counters
) -> None:
    before = counters()
    holding = held_up(url)
    answers = post_together(url, [as_json({"text": TEXTS[i % len(TEXTS)]}) for i in range(64)])
    holding.join()
    assert {answer.status_code for answer in answers} == {200}
    since = counted(counters, before, 65)
    assert since["sentiment_requests_total"] == 65
    # On a slow machine the request that keeps the worker busy may run out of time.
    assert 64 < since["sentiment_texts_total"] <= 64 + HOLDING_TEXTS
    # One batch kept the worker busy, 64 requests fill two more, and late ones may need another.
    assert 3 <= since["sentiment_batches_total"] <= 6


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
    "too many texts": (*as_json({"texts": ["good"] * 65}), 413, "TooLarge"),
    "too long a text": ({}, b"good " * 10_001, 413, "TooLarge"),
    "a text of 5 MB": ({}, b"good " * 1_000_000, 413, None),
    "an image": ({"Content-Type": "image/png"}, b"\x89PNG", 415, "Unsupported"),
    "compressed": ({"Content-Encoding": "gzip"}, b"\x1f\x8b", 415, "Unsupported"),
    "JSON as a form": (
        {"Content-Type": "application/x-www-form-urlencoded"},
        b'{"text": "good"}',
        415,
        "Unsupported",
    ),
}


@pytest.mark.usefixtures("same_workers")
def test_a_bad_request_gets_its_own_error_and_affects_no_other_in_its_batch(
    url: str, client: SentimentClient, counters: Counters
) -> None:
    alone = [client.predict(text) for text in TEXTS]
    before = counters()
    mixed: list[tuple[dict[str, str], bytes]] = []
    for bad, text in zip(BAD.values(), TEXTS * 2, strict=False):
        mixed += [as_json({"text": text}), (bad[0], bad[1])]
    holding = held_up(url)
    answers = post_together(url, mixed)
    holding.join()
    handled = len(
        mixed
    )  # requests in the handler: one that keeps it busy, and all but the 5 MB text
    batches = counted(counters, before, handled)["sentiment_batches_total"]
    assert batches <= 6, "the requests were not scored together, so the test shows nothing"

    for i in range(len(BAD)):
        expected, answer = alone[i % len(TEXTS)], answers[2 * i]
        assert answer.status_code == 200
        assert answer.json()["sentiment"] == expected.label
        assert answer.json()["scores"] == pytest.approx(dict(expected.scores), abs=1e-3)
    for (name, (_, _, status, error_type)), answer in zip(BAD.items(), answers[1::2], strict=True):
        assert answer.status_code == status, name
        if error_type is None:  # the frontend's response has no body
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
    holding = held_up(url)
    answers = post_together(url, bodies)
    holding.join()
    assert counted(counters, before, 33)["sentiment_batches_total"] <= 5
    for answer in answers[::2]:
        for text, entry in zip(TEXTS, answer.json()["results"], strict=True):
            assert entry["scores"] == pytest.approx(dict(alone[text]), abs=1e-3)
    for answer in answers[1::2]:
        assert answer.json()["scores"] == pytest.approx(dict(alone[TEXTS[0]]), abs=1e-3)
