"""Wait until a new server has answered a request, or fail at once if it never will."""

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

# A worker imports PyTorch and loads the model, which is slow from a cold disk.
START_SECONDS = 180.0
_POLL_SECONDS = 0.2
# Lines of the log that a failure shows.
_LAST_LINES = 40
# The last line of a Python traceback and the first line of a Java stack trace in the log.
_EXCEPTION = re.compile(
    r"^(?:.* MODEL_LOG - )?(?:\w+\.)*(\w+(?:Error|Exception)|Invalid configuration): (.+)$",
    re.MULTILINE,
)
_NO_CAUSE = (
    "the log has no reason. See with 'dmesg' whether the kernel killed it for lack of memory."
)
# What Java says before it ends, and what to do about it.
_JAVA_REFUSALS = (
    (
        r"^# (There is insufficient memory for the Java Runtime) ",
        "Free memory, or lower -Xms and -Xmx in",
    ),
    (r"^(.+)\nError: Could not create the Java Virtual Machine", "Correct"),
)


class Readiness:
    """Polls one server; `processes` and `log` return the current processes and log."""

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
        """Wait for a ready worker and return its answer to `text`; raises Failure."""
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
            # TorchServe loads archives before it listens, and only logs it if one fails. So an
            # archive that is missing now has failed.
            raise self._failure("TorchServe could not load the archive", explain=True) from None
        if model.max_workers == 0:
            raise self._failure("The model is configured to have no workers: set minWorkers to 1.")
        return bool(model.ready_workers)

    def _check_processes(self) -> None:
        """Raises Failure if Java or a worker has exited."""
        processes = self._processes()
        if processes.java is None:
            raise self._failure("TorchServe stopped while it was starting", explain=True)
        # TorchServe replaces a worker that died, again and again.
        pids = {worker.pid for worker in processes.workers}
        if self._workers - pids:
            raise self._failure("The worker died while it was loading the model", explain=True)
        self._workers |= pids

    def _failure(self, message: str, *, explain: bool = False) -> Failure:
        log = self._log()
        if explain:
            message += f": {root_cause(log) or _NO_CAUSE}"
        return Failure(message, "\n".join(log.splitlines()[-_LAST_LINES:]))


def root_cause(log: str) -> str:
    r"""The first exception of a log with its message, or what Java says; empty if there is none.

    >>> root_cause("2026-01-01 [INFO ] MODEL_LOG - ValueError: handler.engine must be torch")
    'ValueError: handler.engine must be torch'
    >>> root_cause("org.pytorch.serve.archive.model.InvalidModelException: no manifest")
    'InvalidModelException: no manifest'
    >>> root_cause("Invalid heap size: 1x\nError: Could not create the Java Virtual Machine.")
    'Invalid heap size: 1x. Correct vmargs in config.properties.'
    """
    if exception := _EXCEPTION.search(log):
        return f"{exception[1]}: {exception[2]}"
    for pattern, remedy in _JAVA_REFUSALS:
        if refusal := re.search(pattern, log, re.MULTILINE):
            return f"{refusal[1]}. {remedy} vmargs in config.properties."
    return ""
