"""Logic shared by the blocking, the asynchronous and the gRPC client."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from sentiment_client._address import address_or_default, base_address, model_path
from sentiment_client._chunks import Chunk, fill_in, one
from sentiment_client._environment import Verify
from sentiment_client._retries import MAX_RETRIES, log_retry, pause_before
from sentiment_client._transport import Request, Timeout, Transport
from sentiment_client.errors import Overloaded, SentimentError, TooLarge, Unhealthy
from sentiment_client.models import Model, Prediction, Ready, Result

# Seconds to connect, and then to wait for the first byte of the answer. The service stops a batch
# after 15 s, and one or two batches may be ahead in the queue.
TIMEOUT = (3.05, 60.0)
# Requests in flight per list of texts. A worker batches waiting requests, so a few keep it busy.
# Even with texts of maximum length, two cores score these requests within a batch's time limit.
MAX_CONCURRENCY = 4
# A content type that only the service's readiness has.
_HEALTH = "application/health+json"
_POLL = 0.5


class BaseClient:
    """A client of one served model; `_transport_type` sends its requests."""

    _transport_type: ClassVar[type[Transport]]

    def __init__(
        self,
        address: str | None = None,
        *,
        model: str = "sentiment",
        version: str | None = None,
        timeout: Timeout = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        max_concurrency: int = MAX_CONCURRENCY,
        verify: Verify = True,
        token: str | None = None,
        token_file: Path | str | None = None,
        management: str | None = None,
    ) -> None:
        if max_concurrency < 1:
            raise ValueError("max_concurrency is at least 1.")
        self._model, self._version = model, version
        self._max_concurrency = max_concurrency
        self._management: Transport | None = None
        if management:
            self._management = self._transport_type(
                base_address(management, 8081),
                kind="management",
                timeout=timeout,
                max_retries=0,
                repeated=(),
                verify=verify,
                token_file=token_file,
            )
        self._transport = self._connect(
            address,
            kind="inference",
            timeout=timeout,
            max_retries=max_retries,
            repeated=("POST",),
            verify=verify,
            token=token,
            token_file=token_file,
            worker_ready=self._has_worker if management else None,
        )

    def _connect(self, address: str | None, **options: Any) -> Transport:
        address = address_or_default(address, "SENTIMENT_ADDRESS", "http://127.0.0.1:8080")
        return self._transport_type(base_address(address, 8080), **options)

    async def _close(self) -> None:
        await self._transport.close()
        if self._management:
            await self._management.close()

    async def _ready(self, wait: float, timeout: Timeout | None) -> Ready:
        path = model_path("predictions", self._model, self._version)
        request = Request("GET", path, timeout=timeout, accept=_HEALTH)
        connect, read = self._transport.timeout_of(request)
        deadline = time.monotonic() + wait
        while True:
            if wait:
                read = min(read, max(deadline - time.monotonic(), _POLL))
                request = replace(request, timeout=(min(connect, read), read))
            try:
                return Ready.from_json(await self._transport.send_once(request))
            except SentimentError:
                if time.monotonic() + _POLL > deadline:
                    raise
            await self._transport.pause(_POLL)

    async def _predict(self, text: str, timeout: Timeout | None, options: bytes) -> Prediction:
        return Prediction.from_json(await self._send(one(text, options), timeout))

    async def _predict_chunk(
        self, chunk: Chunk, timeout: Timeout | None, options: bytes
    ) -> list[Result]:
        """Score the texts of a chunk; texts that the server had no time for are sent again."""
        if chunk.failure is not None:
            raise chunk.failure
        texts, retries = chunk.texts(), self._transport.retries
        results = await self._send_texts(texts, timeout, options) if texts else []
        for retry in range(1, retries.limit(Overloaded) + 1):
            late = texts.late(results)
            if not late:
                break
            refusal = next(result for result in results if isinstance(result, Overloaded))
            pause = pause_before(Overloaded, retry)
            log_retry(retries.server, refusal, retry, retries.limit(Overloaded), pause)
            await self._transport.pause(pause)
            try:
                results = fill_in(results, await self._send_texts(late, timeout, options))
            except SentimentError:
                break  # keep the results so far; the late texts already have errors
        return chunk.with_errors(results)

    async def _send_texts(
        self, chunk: Chunk, timeout: Timeout | None, options: bytes
    ) -> list[Result]:
        try:
            return chunk.results(await self._send(chunk.body(options), timeout))
        except TooLarge as error:  # the server's limits, on requests or answers, may be lower
            if len(chunk) == 1:
                return [error]
        return [
            result
            for half in chunk.halves()
            for result in await self._send_texts(half, timeout, options)
        ]

    async def _send(self, body: bytes, timeout: Timeout | None) -> Any:
        path = model_path("predictions", self._model, self._version)
        try:
            return await self._transport.send(Request("POST", path, body=body, timeout=timeout))
        except Overloaded as error:
            if type(error) is not Overloaded or await self._has_worker():
                raise
            status = error.status
        # TorchServe's own answer is the same for a full queue and for no worker.
        raise Unhealthy("No worker is ready: start one, or try again later.", status)

    async def _has_worker(self) -> bool:
        """Whether a worker is ready; True if the management API cannot tell."""
        path = model_path("models", self._model, self._version)
        try:
            if self._management is None:
                return True
            described = Model.list_from_json(await self._management.send(Request("GET", path)))
        except SentimentError:
            return True
        return described[0].ready_workers > 0
