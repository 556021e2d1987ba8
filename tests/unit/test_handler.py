"""The handler with TorchServe's context and message encoding, but without a server."""

import dataclasses
import json
import logging
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from ts.context import Context, RequestProcessor
from ts.metrics.metric_type_enum import MetricTypes
from ts.protocol.otf_message_handler import create_predict_response

from scripts.paths import ROOT
from sentiment.batch import Batch, Exchange
from sentiment.inference.cache import Cache
from sentiment.inference.engines.engine import Rows
from sentiment.inference.prediction import Prediction
from sentiment.metrics import Metrics
from sentiment_handler import SentimentHandler
from tests.unit.metric_updates import declared, updates

SECRET = "my-secret-text"


@pytest.fixture(scope="module")
def handler() -> SentimentHandler:
    handler = SentimentHandler()
    with patch.object(Metrics, "start"):  # its thread would flush in the middle of other tests
        handler.initialize(context_for([]))
    return handler


def context_for(headers: list[dict[str, Any]]) -> Context:
    context = Context(
        "sentiment",
        str(ROOT),  # the folder that holds model/, as the unpacked archive does
        {"model": {"modelVersion": "1.0"}},
        len(headers),
        None,
        "0.12.0",
        metrics=declared(),
        model_yaml_config=yaml.safe_load((ROOT / "handler" / "model-config.yaml").read_text()),
    )
    context.request_processor = [RequestProcessor(fields) for fields in headers]
    context.request_ids = {index: f"id-{index}" for index in range(len(headers))}
    return context


def run_batch(
    handler: SentimentHandler, *requests: tuple[dict[str, Any], dict[str, bytes]]
) -> tuple[list[tuple[int, Any]], Context]:
    """Run one batch; returns each request's status and JSON, and the context."""
    context = context_for([headers for headers, _ in requests])
    bodies = handler.handle([row for _, row in requests], context)
    # TorchServe does not catch errors of this encoding: they would kill the worker.
    assert create_predict_response(bodies, context.request_ids, "", 200, context)
    statuses = [context.get_response_status(index) for index in range(len(bodies))]
    assert all(phrase and phrase.isascii() for _, phrase in statuses)
    assert all(context.get_response_content_type(i) for i in range(len(bodies)))
    return [
        (status, json.loads(body)) for (status, _), body in zip(statuses, bodies, strict=True)
    ], context


# Headers that TorchServe adds on /predictions, and that every client sends.
PREDICTIONS = {"Host": "localhost", "explain": "False", "url_path": ""}


def post(body: object) -> tuple[dict[str, Any], dict[str, bytes]]:
    headers = PREDICTIONS | {"Content-Type": "application/json"}
    return headers, {"body": json.dumps(body).encode()}


def test_each_request_gets_its_own_answer_in_order_and_is_counted(
    handler: SentimentHandler, caplog: pytest.LogCaptureFixture
) -> None:
    handler.metrics.counts.flush(declared())  # what earlier tests have left
    caplog.set_level(logging.INFO)
    answers, _ = run_batch(
        handler,
        post({"text": "A wonderful film."}),
        post({"texts": ["Awful.", "", "Great!"]}),
        (PREDICTIONS, {"body": b"\xff"}),
        post({"text": "A terrible mess."}),
        post("nothing to see"),
    )
    assert [status for status, _ in answers] == [200, 200, 400, 200, 422]
    assert answers[0][1]["sentiment"] == "POSITIVE"
    many = answers[1][1]["results"]
    assert [entry.get("sentiment") for entry in many] == ["NEGATIVE", None, "POSITIVE"]
    assert answers[3][1]["sentiment"] == "NEGATIVE"

    handler.metrics.counts.flush(declared())
    counted = updates(caplog)
    tokens = [
        entry["tokens"] for entry in [answers[0][1], *many, answers[3][1]] if "tokens" in entry
    ]
    expected = {
        "batches_total": 1,
        "requests_total": 5,
        "texts_total": 4,
        "tokens_total": sum(tokens),
        "responses_total dialect:predict,status:200": 2,
        "responses_total dialect:predict_many,status:200": 1,
        "responses_total dialect:none,status:400": 1,
        "responses_total dialect:predict,status:422": 1,
        "labels_total label:POSITIVE": 2,
        "labels_total label:NEGATIVE": 2,
        "failed_texts_total error_type:Validation": 1,
        "request_seconds_count": 5,
        "batch_requests_bucket le:4": 0,
        "batch_requests_bucket le:8": 1,
        "batch_texts_bucket le:2": 0,
        "batch_texts_bucket le:4": 1,
        "batch_tokens_sum": sum(tokens),  # the engine pads no row of one text
        "text_tokens_sum": sum(tokens),
        "text_tokens_count": 4,
    }
    assert {name: counted.get(f"sentiment_{name}", 0) for name in expected} == expected
    assert counted["sentiment_tokenization_seconds_sum"] > 0
    assert counted["sentiment_engine_seconds_sum"] > 0
    parts = counted["sentiment_tokenization_seconds_sum"] + counted["sentiment_engine_seconds_sum"]
    assert parts < counted["sentiment_request_seconds_sum"] / 5


def test_texts_from_the_cache_are_counted(
    handler: SentimentHandler, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler.classifier.scorer, "cache", Cache(10))
    monkeypatch.setattr(
        handler, "metrics", Metrics(handler.model, "torch", handler.classifier.scorer)
    )
    caplog.set_level(logging.INFO)
    for _ in range(3):
        answers, _ = run_batch(handler, post({"texts": ["Awful.", "Great!"]}))
        assert [entry["sentiment"] for entry in answers[0][1]["results"]] == [
            "NEGATIVE",
            "POSITIVE",
        ]
    handler.metrics.counts.flush(declared())
    counted = updates(caplog)
    assert counted["sentiment_cached_texts_total"] == 4
    assert counted["sentiment_texts_total"] == 6
    assert counted["sentiment_batch_tokens_count"] == 1  # the engine ran once


def test_every_metric_is_declared_and_has_series_before_the_first_request(
    handler: SentimentHandler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics(handler.model, "torch", handler.classifier.scorer)
    metrics.counts.flush(declared())
    created = updates(caplog)
    assert "not counted" not in caplog.text
    assert set(created.values()) == {0}
    names = {series.partition(" ")[0] for series in created}
    assert {*names, "sentiment_worker_starts_total"} == set(declared().cache[MetricTypes.COUNTER])
    labels = {series.partition(" label:")[2] for series in created if " label:" in series}
    assert labels == set(handler.model.labels)


def test_a_model_with_very_many_labels_is_not_counted_by_label(
    handler: SentimentHandler, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    many = dataclasses.replace(handler.model, labels=[f"label {number}" for number in range(5_000)])
    metrics = Metrics(many, "torch", handler.classifier.scorer)
    batch = Batch([Exchange("id", {}, results=[Prediction("label 7", 1.0, {}, tokens=3)])], many)
    metrics.record(batch)
    metrics.counts.flush(declared())
    assert updates(caplog)["sentiment_texts_total"] == 1
    assert not [series for series in updates(caplog) if " label:" in series]


@pytest.mark.parametrize(
    "headers",
    [
        {"URL_PATH": "openapi.json", "Explain": "True"},
        {"describe": "True"},
        {"explain": "True"},
        {"body": {"content-type": "text/plain"}},
        {"body": "a client's own header"},
        {"X-Odd": "\r\n\ud800é\x00", "ÄÖ\ud800": "x"},
        {"content-type": "application/json\r\nX-Forged: 1"},
        {"CONTENT-TYPE": "text/plain"},
        {"Content-Type": {"content-type": "text/plain"}},
    ],
)
def test_no_header_fails_the_batch(handler: SentimentHandler, headers: dict[str, Any]) -> None:
    answers, _ = run_batch(
        handler, (PREDICTIONS | headers, {"body": b"A wonderful film."}), post({"text": "Awful."})
    )
    assert answers[0][0] in (200, 415, 422)
    assert answers[1][0] == 200


def assert_only_the_secret_fails(
    handler: SentimentHandler, caplog: pytest.LogCaptureFixture
) -> None:
    """Other texts are scored, errors name their own request, and the text is never printed."""
    with caplog.at_level(logging.DEBUG):
        answers, _ = run_batch(
            handler,
            post({"text": "Great!"}),
            post({"text": SECRET}),
            post({"texts": ["Great!", SECRET, ""]}),
        )
    assert [status for status, _ in answers] == [200, 500, 200]
    great, broken, blank = answers[2][1]["results"]
    assert great == answers[0][1]
    assert (broken["error_type"], blank["error_type"]) == ("Backend", "Validation")
    assert answers[1][1]["error_type"] == "Backend"
    assert "id-1" in answers[1][1]["error"]
    assert "id-2" in broken["error"]
    assert "id-1" in caplog.text
    assert "KeyError" in caplog.text
    assert SECRET not in caplog.text + json.dumps(answers)


def test_a_text_that_breaks_the_tokenizer_fails_alone_and_is_not_logged(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = handler.classifier.tokenizer

    def fragile(texts: list[str], limits: Any = None) -> Any:
        for text in texts:
            if SECRET in text:
                raise KeyError(text)
        return tokenizer(texts, limits)

    monkeypatch.setattr(handler.classifier, "tokenizer", fragile)
    assert_only_the_secret_fails(handler, caplog)


def test_a_text_that_breaks_the_engine_fails_alone_and_is_not_logged(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logits = handler.classifier.scorer.engine.logits
    (tokens,) = handler.classifier.tokenizer([SECRET])

    def fragile(rows: Rows) -> NDArray[np.float32]:
        if any(np.array_equal(text, tokens.ids) for row in rows for text in row):
            raise KeyError(SECRET)
        return logits(rows)

    monkeypatch.setattr(handler.classifier.scorer.engine, "logits", fragile)
    assert_only_the_secret_fails(handler, caplog)


def test_texts_of_small_requests_are_scored_first(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = handler.classifier.scorer.engine.logits
    lengths: list[list[int]] = []

    def watched(rows: Rows) -> NDArray[np.float32]:
        lengths.append([len(text) for row in rows for text in row])
        return logits(rows)

    monkeypatch.setattr(handler.classifier.scorer.engine, "logits", watched)
    long = [f"{index} " + "word " * 600 for index in range(8)]
    answers, _ = run_batch(handler, post({"texts": long}), post({"text": "Great!"}))
    assert [status for status, _ in answers] == [200, 200]
    assert lengths[0] == [answers[1][1]["tokens"]]


def test_a_worker_whose_engine_is_dead_ends(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def dead(rows: Rows) -> NDArray[np.float32]:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(handler.classifier.scorer.engine, "logits", dead)
    answers, _ = run_batch(handler, post({"text": " "}))
    assert answers[0][0] == 422  # a request without texts does not use the engine
    with pytest.raises(SystemExit):
        run_batch(handler, post({"text": "Great!"}), post({"text": " "}))
    assert "this worker ends" in caplog.text


@pytest.mark.parametrize("method", ["preprocess", "inference", "postprocess"])
def test_a_defect_in_any_step_is_a_500_for_each_request(
    handler: SentimentHandler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"CUDA error while reading {SECRET}")

    monkeypatch.setattr(handler, method, broken)
    answers, _ = run_batch(handler, post({"text": SECRET}), post({"text": "Great!"}))
    assert [status for status, _ in answers] == [500, 500]
    assert SECRET not in caplog.text


def test_requests_are_answered_when_counting_fails(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(Metrics, "record")
    answers, _ = run_batch(handler, post({"text": SECRET}))
    assert answers[0][0] == 200
    assert "counting a batch failed: AttributeError" in caplog.text
    assert SECRET not in caplog.text


def test_every_text_of_a_batch_out_of_time_gets_its_own_error(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings(monkeypatch, handler, batch_seconds=-1)
    answers, _ = run_batch(handler, post({"text": "Great!"}), post({"texts": ["Great!", ""]}))
    assert [status for status, _ in answers] == [503, 200]
    assert [entry["error_type"] for entry in answers[1][1]["results"]] == [
        "Overloaded",
        "Validation",
    ]


def deadline(seconds: float) -> dict[str, str]:
    """The header of a request whose client waits for this many seconds from now."""
    return {"X-Request-Deadline": f"{time.time() + seconds:.3f}"}


def test_a_request_past_its_deadline_is_refused_without_its_neighbours(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers, row = post({"text": "Great!"})
    unreadable = ["soon", "-1", "", "1e9", "inf", "1790000000000", "1790000000 s", "٣"]
    odd = [(headers | {"x-request-deadline": value}, row) for value in unreadable]
    scored: list[str] = []
    tokenizer = handler.classifier.tokenizer

    def watched(texts: list[str], options: Any) -> Any:
        scored.extend(texts)
        return tokenizer(texts, options)

    monkeypatch.setattr(handler.classifier, "tokenizer", watched)
    unreadable = ["soon", "-1S", "", "1", "1.5S", "100000000S", "1s", "1 S", "٣S"]
    odd += [(headers | {"grpc-timeout": value}, row) for value in unreadable]
    arrived = {"X-Request-Start": f"t={time.time() - 1:.3f}"}
    late = [
        deadline(-0.1),
        {"grpc-timeout": "1n"},
        {"grpc-timeout": "900m"} | arrived,
        {"grpc-timeout": "1H"} | deadline(-0.1),
        {"grpc-timeout": "900m"} | arrived | deadline(60),
    ]
    in_time = [
        deadline(60),
        *({"grpc-timeout": value} for value in ("1H", "1M", "60S", "60000m", "99999999u")),
        {"grpc-timeout": "60S"} | arrived,
        # Another proxy's way to write it is not understood.
        {"grpc-timeout": "60S", "X-Request-Start": "1790000000000"},
        {},
    ]
    answers, context = run_batch(
        handler,
        *((headers | more, {"body": b'{"text": "too late"}'}) for more in late),
        *((headers | more, row) for more in in_time),
        *odd,
    )
    statuses = [504] * len(late) + [200] * len(in_time) + [400] * len(odd)
    assert [status for status, _ in answers] == statuses
    bodies = [answer for _, answer in answers]
    assert {body["error_type"] for body in bodies[: len(late)]} == {"DeadlineExceeded"}
    assert {body["error_type"] for body in bodies[-len(odd) :]} == {"Malformed"}
    assert all(body == bodies[len(late)] for body in bodies[len(late) : -len(odd)])
    assert scored == ["Great!"] * len(in_time)
    assert context.get_response_headers(0).get("retry-after") is None


def test_a_text_whose_deadline_passes_before_its_turn_is_not_scored(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The large request is scored last, in several calls of the engine."""
    logits, monotonic = handler.classifier.scorer.engine.logits, time.monotonic
    calls = [0]

    def slow(rows: Rows) -> NDArray[np.float32]:
        calls[0] += 1
        return logits(rows)

    with_settings(monkeypatch, handler, batch_seconds=1_000_000)
    monkeypatch.setattr(handler.classifier.scorer.engine, "logits", slow)
    # Each call seems to take longer than the deadline.
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + 100 * calls[0])
    long = [f"{index} " + "word " * 600 for index in range(8)]
    headers, row = post({"texts": long})
    answers, _ = run_batch(
        handler, (headers | deadline(60), row), post({"text": "Great!"}), (headers, row)
    )
    assert [status for status, _ in answers] == [200, 200, 200]
    late, _, patient = (answer for _, answer in answers)
    # The same texts are scored once for both requests, if one of them still waits.
    assert [entry.get("error_type") for entry in patient["results"]] == [None] * 8
    assert late == patient

    other = {"texts": [f"{text} end" for text in long]}
    answers, _ = run_batch(
        handler, (headers | deadline(60), post(other)[1]), post({"text": "Great!"})
    )
    kinds = {entry.get("error_type") for entry in answers[0][1]["results"]}
    assert kinds == {"DeadlineExceeded"}
    assert answers[1][0] == 200


def test_our_503s_say_when_to_come_back(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings(monkeypatch, handler, batch_seconds=-1)
    answers, context = run_batch(handler, post({"text": "Great!"}), post({"text": " "}))
    assert [status for status, _ in answers] == [503, 422]
    assert context.get_response_headers(0)["retry-after"] == "1"
    assert "retry-after" not in context.get_response_headers(1)


HEALTH = {"Accept": "application/health+json"}


def test_ready_turns_negative_while_the_server_drains_and_nothing_else_does(
    handler: SentimentHandler,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    handler.metrics.counts.flush(declared())  # what earlier tests have left
    caplog.set_level(logging.INFO)
    draining = tmp_path / "draining"
    monkeypatch.setenv("SENTIMENT_DRAINING", str(draining))
    empty = {"body": b""}
    requests: list[tuple[dict[str, Any], dict[str, bytes]]] = [
        (PREDICTIONS | {"url_path": "ready"}, empty),
        (PREDICTIONS | HEALTH, empty),
        ({}, {"ready": b""}),  # over gRPC
        (PREDICTIONS | {"url_path": "health"}, empty),
        (PREDICTIONS | {"url_path": "info"}, empty),
        (PREDICTIONS | HEALTH, {"body": b"Great!"}),  # a prediction
    ]
    answers, _ = run_batch(handler, *requests)
    assert [status for status, _ in answers] == [200] * 6
    ready, *_, health, info, prediction = (answer for _, answer in answers)
    assert ready == {
        **{"ready": True, "draining": False, "model": "sentiment", "version": "1.0"},
        **{"worker": os.getpid(), "engine": info["engine"]},
    }
    assert (health["healthy"], health["worker"]) == (True, os.getpid())
    assert prediction["sentiment"] == "POSITIVE"
    handler.metrics.counts.flush(declared())
    assert updates(caplog)["sentiment_texts_total"] == 1

    draining.touch()
    answers, context = run_batch(handler, *requests)
    assert [status for status, _ in answers] == [503, 503, 503, 200, 200, 200]
    refusal = answers[0][1]
    assert refusal.pop("error").endswith("use another one, or wait.")
    assert refusal.pop("error_type") == "Unhealthy"
    assert refusal == ready | {"ready": False, "draining": True}
    assert context.get_response_headers(0)["retry-after"] == "10"
    draining.unlink()
    assert [status for status, _ in run_batch(handler, requests[0])[0]] == [200]


def test_an_answer_above_the_size_limit_is_refused(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_settings(monkeypatch, handler, max_response_bytes=200)
    answers, _ = run_batch(handler, post({"texts": ["good"] * 5}), post({"text": "good"}))
    assert [status for status, _ in answers] == [413, 200]


def test_the_explanations_route_weighs_words(handler: SentimentHandler) -> None:
    headers = {"Host": "localhost", "explain": "True", "url_path": ""}
    answers, _ = run_batch(handler, (headers, {"body": b"A good film"}), post({"text": "good"}))
    assert [status for status, _ in answers] == [200, 200]
    explained, plain = (answer for _, answer in answers)
    assert [(word["start"], word["end"]) for word in explained["words"]] == [
        (0, 1),
        (2, 6),
        (7, 11),
    ]
    assert "words" not in plain


@pytest.mark.parametrize(
    ("url", "body"),
    [({}, {"instances": ["good"]}), ({"url_path": ""}, {"inputs": "good"})],
    ids=["KServe", "Hugging Face"],
)
def test_a_dialect_without_a_place_for_words_refuses_to_explain(
    handler: SentimentHandler, url: dict[str, str], body: object
) -> None:
    headers = {"Host": "localhost", "explain": "True", "Content-Type": "application/json"} | url
    answers, _ = run_batch(
        handler, (headers, {"body": json.dumps(body).encode()}), post({"text": "good"})
    )
    assert [status for status, _ in answers] == [422, 200]
    assert "/explanations/sentiment" in answers[0][1]["error"]


def test_an_error_is_repeated_in_a_header_for_the_front(handler: SentimentHandler) -> None:
    headers, row = post({"text": ""})
    answers, context = run_batch(
        handler, (headers | {"X-Front": "1"}, row), (headers, row), post({"text": "good"})
    )
    assert json.loads(context.get_response_headers(0)["x-error"]) == answers[0][1]
    assert "x-error" not in context.get_response_headers(1) | context.get_response_headers(2)


def test_headers_that_cannot_be_read_fail_their_own_request(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Context.get_all_request_header

    def broken(context: Context, i: int) -> Any:
        return read(context, i) if i else 1 / 0

    monkeypatch.setattr(Context, "get_all_request_header", broken)
    answers, _ = run_batch(handler, post({"text": "good"}), post({"text": "good"}))
    assert [status for status, _ in answers] == [500, 200]


def test_a_score_that_is_not_finite_is_a_500(
    handler: SentimentHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = handler.classifier.scorer.engine.logits
    (tokens,) = handler.classifier.tokenizer([SECRET])

    def partly_nan(rows: Rows) -> NDArray[np.float32]:
        values = logits(rows)
        texts = [text for row in rows for text in row]
        values[[np.array_equal(text, tokens.ids) for text in texts]] = np.nan
        return values

    monkeypatch.setattr(handler.classifier.scorer.engine, "logits", partly_nan)
    answers, _ = run_batch(handler, post({"text": SECRET}), post({"text": "good"}))
    assert [status for status, _ in answers] == [500, 200]
    assert "no usable score" in answers[0][1]["error"]


def test_torchserve_finds_exactly_one_class() -> None:
    from ts.utils.util import list_classes_from_module

    import sentiment_handler

    assert list_classes_from_module(sentiment_handler) == [SentimentHandler]


def with_settings(
    monkeypatch: pytest.MonkeyPatch, handler: SentimentHandler, **changes: Any
) -> None:
    settings = msgspec.structs.replace(handler.model.settings, **changes)
    model = dataclasses.replace(handler.model, settings=settings)
    monkeypatch.setattr(handler, "model", model)
