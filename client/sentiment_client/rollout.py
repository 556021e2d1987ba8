"""Put another version of a model into service without losing a request.

The new version loads next to the old one, which answers meanwhile. Then it becomes the default, and
the old one gives its workers up as soon as it is idle. It stays registered without workers: going
back takes as long as loading it, and unregistering any version would cost the route /invocations
its model (docs/api.md).
"""

import time
from collections.abc import Callable, Iterable, Iterator
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
    """Give a version as many workers as the default has, unless it has some.

    Raises TimedOut, and ValueError if it is the default.
    """
    served = _default_but(version, management, model)
    workers = len(management.describe(model, version).workers)
    if workers:  # which may be answering
        return management.scale(workers, model=model, version=version, wait=wait)
    with stopped_on_failure(management, version, model):
        workers = len(served.workers) or 1
        return management.scale(workers, model=model, version=version, wait=wait)


def switch(
    management: ManagementClient, old: SentimentClient, version: str, model: str = "sentiment"
) -> Model:
    """Make a version the default, and take the workers of the old default once it is idle.

    `old` is a client of the old default by its version. Returns what the old default was. Raises
    TimedOut if requests for it do not end, and ValueError if the version is the default.
    """
    replaced = _default_but(version, management, model)
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
def stopped_on_failure(
    management: ManagementClient, version: str, model: str = "sentiment"
) -> Iterator[None]:
    """Take a version's workers if the block fails: one that does not load is started endlessly."""
    try:
        yield
    except BaseException:
        try:
            management.scale(0, model=model, version=version, wait=0)
        except SentimentError as error:
            logger.warning("stopping %s %s failed: %s", model, version, error)
        raise


def all_answered(
    models: Iterable[Model],
    answered: set[tuple[str, str, int]],
    ask: Callable[[str, str], int],
) -> bool:
    """Whether all requests that came before the first call are answered; else asks some workers.

    Call it with new descriptions and the same set until it is True. `answered` holds the name,
    version and pid of each worker that has answered; `ask` sends a request to a version of a model
    by its name, and returns the pid of the worker that answers. What that raises is raised.

    The queue of a version is first in, first out, and a worker answers a batch before it takes the
    next one. So a worker that answers a request of ours has answered all that it took before.
    """
    models = list(models)
    workers = {(m.name, m.version, w.pid) for m in models for w in m.workers if w.ready}
    if workers <= answered:
        return not any(model.pending_requests for model in models)
    for name, version in {(name, version) for name, version, _ in workers - answered}:
        answered.add((name, version, ask(name, version)))
    return False


def _default_but(version: str, management: ManagementClient, model: str) -> Model:
    """The default version; raises ValueError if it is this one."""
    served = management.describe(model)
    if served.version == version:
        raise ValueError(f"{version} is the default version already.")
    return served


def _wait_until_idle(management: ManagementClient, client: SentimentClient, old: Model) -> None:
    started = time.monotonic()
    answered: set[tuple[str, str, int]] = set()
    while True:
        try:
            described = management.describe(old.name, old.version)
            if all_answered([described], answered, lambda *_: client.ready().worker):
                return
        except SentimentError as error:  # a full queue, or a worker that died
            logger.warning("asking %s %s failed: %s", old.name, old.version, error)
        if time.monotonic() - started > _PATIENCE:
            raise TimedOut(
                f"{old.name} {old.version} has not answered all its requests {_PATIENCE:.0f} s "
                "after the switch: it keeps its workers."
            )
        time.sleep(_POLL)
