"""Waits until a server that was started has answered, or says at once why it never will."""

import re
import time
from collections.abc import Callable

from scripts.failure import Failure
from scripts.launcher.processes import Processes
from sentiment_client import (
    BadAddress,
    CertificateFailed,
    ConnectionFailed,
    ManagementClient,
    NotFound,
    Prediction,
    SentimentClient,
    SentimentError,
    Unauthorized,
)

# A worker imports PyTorch and loads the model; a cold disk takes its time.
START_SECONDS = 180.0
_POLL_SECONDS = 0.2
# Of the log, in a failure.
_LAST_LINES = 40
# The last line of a Python traceback and the first of a Java one, as they stand in the log.
_EXCEPTION = re.compile(
    r"^(?:.* MODEL_LOG - )?(?:\w+\.)*(\w+(?:Error|Exception)|Invalid configuration): (.+)$",
    re.MULTILINE,
)


class Readiness:
    """Polls one server; `processes` and `log` read their present state."""

    def __init__(
        self,
        model: str,
        management: ManagementClient,
        processes: Callable[[], Processes],
        log: Callable[[], str],
    ) -> None:
        self._model = model
        self._management = management
        self._processes = processes
        self._log = log
        self._workers: set[int] = set()

    def wait(self, client: SentimentClient, text: str) -> Prediction:
        """Return the answer to `text` when a worker is ready; raises Failure."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._check_processes()
            try:
                if self._is_ready():
                    return client.predict(text)
            except (BadAddress, CertificateFailed) as error:
                raise self._failure(f"The server is up, but {error}") from None
            except (ConnectionFailed, Unauthorized):
                pass  # not listening yet, or no key file yet
            except SentimentError as error:
                raise self._failure(
                    f"The server is up, but its first answer was wrong: {error}"
                ) from None
            time.sleep(_POLL_SECONDS)
        raise self._failure(f"No worker was ready after {START_SECONDS:.0f} seconds.")

    def _is_ready(self) -> bool:
        try:
            model = self._management.describe(self._model)
        except NotFound:
            # TorchServe loads its archives before it listens: one that is not there by now has
            # failed, which is a line in its log and nothing else.
            raise self._failure("TorchServe could not load the archive", explain=True) from None
        if model.max_workers == 0:
            raise self._failure("The model is configured to have no workers: set minWorkers to 1.")
        return bool(model.ready_workers)

    def _check_processes(self) -> None:
        """Raises Failure where Java or a worker has exited."""
        processes = self._processes()
        if processes.java is None:
            raise self._failure("TorchServe stopped while it was starting", explain=True)
        # TorchServe starts another one in the place of a worker that died, time after time.
        pids = {worker.pid for worker in processes.workers}
        if self._workers - pids:
            raise self._failure("The worker died while it was loading the model", explain=True)
        self._workers |= pids

    def _failure(self, message: str, *, explain: bool = False) -> Failure:
        log = self._log()
        if explain:
            message += f": {reason}" if (reason := root_cause(log)) else "."
        return Failure(message, "\n".join(log.splitlines()[-_LAST_LINES:]))


def root_cause(log: str) -> str:
    """The first exception of a log with its message, on one line; empty where there is none.

    >>> root_cause("2026-01-01 [INFO ] MODEL_LOG - ValueError: handler.engine must be torch")
    'ValueError: handler.engine must be torch'
    >>> root_cause("org.pytorch.serve.archive.model.InvalidModelException: no manifest")
    'InvalidModelException: no manifest'
    """
    exception = _EXCEPTION.search(log)
    return f"{exception[1]}: {exception[2]}" if exception else ""
