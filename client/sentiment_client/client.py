"""Ask the inference API over REST: text in, label and score out."""

from pathlib import Path
from typing import Any

from sentiment_client.address import base_address, model_path
from sentiment_client.predictor import IN_FLIGHT, TIMEOUT, Predictor
from sentiment_client.retries import RETRIES
from sentiment_client.transport import BlockingTransport, Request, Timeout


class SentimentClient(Predictor):
    """A client of one served model; close it, or use it as a context manager.

        with SentimentClient("localhost:8080") as client:
            print(client.predict("A gripping, beautifully shot film.").label)

    `timeout` is in seconds, or (to connect, to be answered), and holds for each try. Resets,
    refused connections, time-outs, a full queue and a worker that died are tried again `retries`
    times with growing pauses: a prediction can always be repeated. A list of texts is sent in
    requests of which `in_flight` are on their way at the same time. `token` is sent as it is;
    `token_file` is TorchServe's key_file.json, read for every try, as tokens are rotated.
    With a `management` address, a refusal for want of workers is told from a full queue:
    Unhealthy instead of Overloaded. One client may be used by many threads.
    """

    def __init__(
        self,
        address: str = "http://127.0.0.1:8080",
        *,
        model: str = "sentiment",
        version: str | None = None,
        timeout: Timeout = TIMEOUT,
        retries: int = RETRIES,
        in_flight: int = IN_FLIGHT,
        token: str | None = None,
        token_file: Path | str | None = None,
        management: str | None = None,
    ) -> None:
        super().__init__(
            model=model,
            version=version,
            timeout=timeout,
            retries=retries,
            in_flight=in_flight,
            token_file=token_file,
            management=management,
        )
        self._path = model_path("predictions", model, version)
        self._transport = BlockingTransport(
            base_address(address, 8080),
            kind="inference",
            timeout=timeout,
            retries=retries,
            repeated=("POST",),
            token=token,
            token_file=token_file,
        )

    async def _close(self) -> None:
        await super()._close()
        await self._transport.close()

    async def _send(self, body: bytes) -> Any:
        return await self._transport.send(Request("POST", self._path, body=body))
