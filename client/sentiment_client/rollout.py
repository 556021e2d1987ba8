"""Put another version of a model into service without losing a request.

The new version loads next to the old one, which answers meanwhile. Then it becomes the default, and
the old one gives its workers up as soon as it is idle. It stays registered without workers: going
back takes as long as loading it, and unregistering any version would cost the route /invocations
its model (docs/api.md).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sentiment_client._retries import logger
from sentiment_client.client import SentimentClient
from sentiment_client.errors import SentimentError, TimedOut
from sentiment_client.management import ManagementClient
from sentiment_client.models import Model

# Seconds to load a version, next to one that is busy.
LOADING = 300.0
# Seconds that requests of the old version may take, more than any client waits.
_PATIENCE = 600.0
_POLL = 0.2


def add(
    management: ManagementClient, archive: str, model: str = "sentiment", *, wait: float = LOADING
) -> Model:
    """Register an archive and load it, with the workers and batches of the default version.

    The default stays what it is. `wait` is in seconds. Raises NotFound, Conflict if its version is
    registered, NotAllowed unless the server has `enable_model_api=true`, and TimedOut if it does
    not load; then it has no workers.
    """
    served = management.describe(model)
    added = management.register(
        archive,
        model=model,
        workers=0,
        batch_size=served.batch_size,
        max_batch_delay=served.max_batch_delay,
    )
    return start(management, added.version, model, wait=wait)


def start(
    management: ManagementClient, version: str, model: str = "sentiment", *, wait: float = LOADING
) -> Model:
    """Give a version as many workers as the default has, unless it has some; raises TimedOut."""
    workers = len(management.describe(model, version).workers)
    if workers:  # which may be answering
        return management.scale(workers, model=model, version=version, wait=wait)
    with _stopped_on_failure(management, version, model):
        workers = len(management.describe(model).workers) or 1
        return management.scale(workers, model=model, version=version, wait=wait)


def switch(
    management: ManagementClient, old: SentimentClient, version: str, model: str = "sentiment"
) -> Model:
    """Make a version the default, and take the workers of the old default once it is idle.

    `old` is a client of the old default by its version. Returns what the old default was. Raises
    TimedOut if requests for it do not end.
    """
    replaced = management.describe(model)
    if replaced.version == version:
        raise ValueError(f"{version} is the default version already.")
    management.set_default(version, model)
    _wait_until_idle(management, old, replaced)
    management.scale(0, model=model, version=replaced.version)
    return replaced


def previous(management: ManagementClient, model: str = "sentiment") -> str:
    """The only version that is not the default; raises ValueError if there is none or several."""
    default = management.default_version(model)
    others = [m.version for m in management.describe_all(model) if m.version != default]
    if len(others) != 1:
        shown = f"{', '.join(others)} are registered next to it" if others else "it is the only one"
        raise ValueError(f"{default} is the default version, and {shown}: name a version.")
    return others[0]


@contextmanager
def _stopped_on_failure(management: ManagementClient, version: str, model: str) -> Iterator[None]:
    """A version that does not load would be started again and again."""
    try:
        yield
    except BaseException:
        try:
            management.scale(0, model=model, version=version, wait=0)
        except SentimentError as error:
            logger.warning("stopping %s %s failed: %s", model, version, error)
        raise


def _wait_until_idle(management: ManagementClient, client: SentimentClient, old: Model) -> None:
    """Wait until all requests that came before this call are answered.

    The queue of a version is first in, first out, and a worker answers a batch before it takes the
    next one. So a worker that answers a request of ours has answered all that it took before.
    """
    started = time.monotonic()
    answered: set[int] = set()
    while True:
        try:
            described = management.describe(old.name, old.version)
            workers = {worker.pid for worker in described.workers if worker.ready}
            if workers <= answered and not described.pending_requests:
                return
            if not workers <= answered:
                answered.add(client.ready().worker)
                continue
        except SentimentError as error:  # a full queue, or a worker that died
            logger.warning("asking %s %s failed: %s", old.name, old.version, error)
        if time.monotonic() - started > _PATIENCE:
            raise TimedOut(
                f"{old.name} {old.version} has not answered all its requests {_PATIENCE:.0f} s "
                "after the switch: it keeps its workers."
            )
        time.sleep(_POLL)
