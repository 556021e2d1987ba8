"""The asynchronous client against the real server."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

import pytest

from scripts.launcher.server import Server
from sentiment_client import (
    AsyncSentimentClient,
    Malformed,
    ManagementClient,
    NotFound,
    Overloaded,
    Prediction,
    SentimentClient,
    SentimentError,
    TooLarge,
    Unhealthy,
    Validation,
)
from tests.integration.texts import LABELS, TEXTS

R = TypeVar("R")


def ask(
    server: Server, question: Callable[[AsyncSentimentClient], Awaitable[R]], **options: Any
) -> R:
    async def run() -> R:
        async with AsyncSentimentClient(server.properties.inference, **options) as client:
            return await question(client)

    return asyncio.run(run())


def test_it_answers_as_the_other_client_does(server: Server, client: SentimentClient) -> None:
    assert ask(server, lambda it: it.predict(TEXTS[0])) == client.predict(TEXTS[0])
    texts = [TEXTS[i % len(TEXTS)] for i in range(150)]
    labels = [r.label for r in client.predict_many(texts) if isinstance(r, Prediction)]

    async def texts_that_come() -> AsyncIterator[str]:
        for text in texts:
            yield text

    ways: list[Iterable[str] | AsyncIterable[str]] = [texts, iter(texts), texts_that_come()]
    for given in ways:
        results = ask(server, partial(AsyncSentimentClient.predict_many, texts=given))
        assert [r.label for r in results if isinstance(r, Prediction)] == labels


def test_a_bad_text_among_many_is_returned_as_its_error(server: Server) -> None:
    texts = ["Great!", " ", "x" * 50_001, "\ud800", "x" * 300_000, "Awful."]
    results = ask(server, lambda it: it.predict_many(texts))
    kinds = [Prediction, Validation, TooLarge, Malformed, TooLarge, Prediction]
    assert [type(result) for result in results] == kinds


def test_each_mistake_has_its_exception(server: Server) -> None:
    for text, kind in (("", Validation), ("x" * 50_001, TooLarge), ("x" * 5_000_000, TooLarge)):
        with pytest.raises(kind):
            ask(server, partial(AsyncSentimentClient.predict, text=text))
    for options in ({"model": "nonesuch"}, {"version": "9.9"}):
        with pytest.raises(NotFound):
            ask(server, lambda it: it.predict("good"), **options)
    assert ask(server, lambda it: it.predict("Great!"), version="1.0").label == "POSITIVE"


def test_many_predictions_at_once(server: Server) -> None:
    async def all_at_once(client: AsyncSentimentClient) -> list[Prediction]:
        return await asyncio.gather(*(client.predict(TEXTS[i % len(TEXTS)]) for i in range(200)))

    results = ask(server, all_at_once)
    assert [r.label for r in results] == [LABELS[i % len(LABELS)] for i in range(200)]


def test_without_workers_requests_are_refused(server: Server, management: ManagementClient) -> None:
    management.scale(0)
    try:
        with pytest.raises(Overloaded):
            ask(server, lambda it: it.predict("good"), retries=0)
        with pytest.raises(Unhealthy):
            ask(
                server,
                lambda it: it.predict("good"),
                retries=0,
                management=server.properties.management,
            )
    finally:
        management.scale(1)


def test_no_request_is_lost_when_a_worker_is_taken_away(
    server: Server, management: ManagementClient
) -> None:
    async def keep_asking(client: AsyncSentimentClient) -> list[Prediction | SentimentError]:
        asking = asyncio.create_task(client.predict_many(list(TEXTS) * 40))
        for workers in (2, 1):
            await asyncio.to_thread(management.scale, workers)
        return await asking

    results = ask(server, keep_asking)
    assert len(results) == len(TEXTS) * 40
    assert [result for result in results if not isinstance(result, Prediction)] == []
