"""The client of the management API: models, their versions and their workers."""

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sentiment_client._address import address_or_default, base_address, model_path
from sentiment_client._environment import Verify
from sentiment_client._retries import MAX_RETRIES, logger
from sentiment_client._tasks import finished
from sentiment_client._transport import BlockingTransport, Request, Timeout
from sentiment_client.errors import TimedOut, UnexpectedAnswer
from sentiment_client.models import Model

TIMEOUT = (3.05, 30.0)
# Seconds between two polls while waiting for workers.
_POLL = 0.2


class ManagementClient:
    """A client of the management address; close it, or use it as a context manager.

    All operations are asynchronous on the server, and this client polls for their end: a
    synchronous call would block a TorchServe thread that also answers predictions. All calls
    except `register` and `unregister` are safe to repeat, and are retried like predictions.
    `address` defaults to $SENTIMENT_MANAGEMENT, else http://127.0.0.1:8081. The other options are
    SentimentClient's.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: Timeout = TIMEOUT,
        max_retries: int = MAX_RETRIES,
        verify: Verify = True,
        token: str | None = None,
        token_file: Path | str | None = None,
    ) -> None:
        address = address_or_default(address, "SENTIMENT_MANAGEMENT", "http://127.0.0.1:8081")
        self._transport = BlockingTransport(
            base_address(address, 8081),
            kind="management",
            timeout=timeout,
            max_retries=max_retries,
            repeated=("GET", "PUT"),
            verify=verify,
            token=token,
            token_file=token_file,
        )

    def send(self, method: str, path: str, *, params: Mapping[str, str | int] | None = None) -> Any:
        """Send one request and return the JSON of its answer, or raise a SentimentError."""
        return finished(self._transport.send(Request(method, path, params)))

    def close(self) -> None:
        """Close the pooled connections."""
        finished(self._transport.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list(self) -> dict[str, str]:
        """Map the name of each registered model to the archive of its default version."""
        models: dict[str, str] = {}
        page: str | None = "0"
        while page is not None:
            answer = self.send("GET", "/models", params={"limit": 100, "next_page_token": page})
            try:
                models |= {model["modelName"]: model["modelUrl"] for model in answer["models"]}
                page = answer.get("nextPageToken")
            except (KeyError, TypeError):
                raise UnexpectedAnswer(
                    "The answer lists no models: check the management address."
                ) from None
        return models

    def describe(self, model: str = "sentiment", version: str | None = None) -> Model:
        """One version of a model, by default the default version; raises NotFound."""
        return Model.list_from_json(self.send("GET", model_path("models", model, version)))[0]

    def default_version(self, model: str = "sentiment") -> str:
        """The version that answers requests without a version."""
        return self.describe(model).version

    def describe_all(self, model: str = "sentiment") -> tuple[Model, ...]:
        """All versions of a model; raises NotFound."""
        return Model.list_from_json(self.send("GET", model_path("models", model, "all")))

    def register(
        self,
        archive: str,
        *,
        model: str | None = None,
        workers: int = 1,
        batch_size: int = 32,
        max_batch_delay: int = 1,
        wait: float = 120.0,
    ) -> Model:
        """Register an archive of the model store and wait until its workers are ready.

        `max_batch_delay` is in milliseconds, at least 1. `wait` is in seconds; 0 does not wait. The
        default version does not change. Raises NotAllowed unless the server has
        `enable_model_api=true`, NotFound, Conflict, or TimedOut.
        """
        params: dict[str, str | int] = {
            "url": archive,
            "batch_size": batch_size,
            "max_batch_delay": max_batch_delay,
            "initial_workers": 0,
            "synchronous": "false",
        }
        if model is not None:
            params["model_name"] = model
        answer = self.send("POST", "/models", params=params)
        name, version = self._registered(answer, archive, model)
        return self.scale(workers, model=name, version=version, wait=wait)

    def unregister(self, model: str, version: str | None = None) -> None:
        """Unregister a version; raises NotAllowed or NotFound."""
        self.send("DELETE", model_path("models", model, version))

    def set_default(self, version: str, model: str = "sentiment") -> None:
        """Make this the version for requests without a version; raises NotFound."""
        self.send("PUT", f"{model_path('models', model, version)}/set-default")

    def scale(
        self,
        workers: int,
        *,
        model: str = "sentiment",
        version: str | None = None,
        wait: float = 120.0,
    ) -> Model:
        """Scale to this number of workers, and wait until all of them have loaded the model.

        Remove workers only while no requests are in flight: TorchServe kills surplus workers at
        once, and passes requests on that it may already have answered (docs/torchserve.md).
        `wait` is in seconds; 0 does not wait. Raises TimedOut after that.
        """
        if workers < 0:
            raise ValueError("There cannot be fewer than 0 workers.")
        params: dict[str, Any] = {
            "min_worker": workers,
            "max_worker": workers,
            "synchronous": "false",
        }
        self.send("PUT", model_path("models", model, version), params=params)
        deadline = time.monotonic() + wait
        if wait:
            logger.info("waiting up to %.0f s for %d ready workers of %s", wait, workers, model)
        while True:
            described = self.describe(model, version)
            if not wait or len(described.workers) == described.ready_workers == workers:
                return described
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"After {wait:.0f} s {described.ready_workers} of {workers} workers are ready: "
                    "read the server's log."
                )
            time.sleep(_POLL)

    def _registered(self, answer: Any, archive: str, model: str | None) -> tuple[str, str]:
        """The name and version of the registered model.

        They are in TorchServe's answer, unless the archive sets its own number of workers.
        """
        status = str(answer.get("status")) if isinstance(answer, dict) else ""
        if match := re.match(r'Model "(.+)" Version: (\S+) registered', status):
            return match[1], match[2]
        versions = [
            (version.name, version.version)
            for name in ([model] if model else self.list())
            for version in self.describe_all(name)
            if version.archive == archive
        ]
        if len(versions) != 1:
            raise UnexpectedAnswer(
                f"{archive} was registered, but the server gave no version: see describe_all."
            )
        return versions[0]
