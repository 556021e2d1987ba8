"""The processes of one TorchServe, identified by its temporary folder."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil

from scripts.failure import Failure

Value = TypeVar("Value")

# Java exits in two to three seconds; after this it is killed.
STOP_SECONDS = 15.0


class Processes:
    """A snapshot of Java and its workers, which outlive a Java that was killed."""

    def __init__(self, temp: str | None) -> None:
        """Find the processes of the temporary folder `temp`; none if it is None."""
        self.java: psutil.Process | None = None
        self.workers: list[psutil.Process] = []
        for process, arguments in each_process(psutil.Process.cmdline) if temp else ():
            if f"-Djava.io.tmpdir={temp}" in arguments:
                self.java = process
            elif any(argument.startswith(f"{temp}/.ts.sock") for argument in arguments):
                self.workers.append(process)

    @property
    def all(self) -> list[psutil.Process]:
        """Java, if it is running, and the workers."""
        return [*([self.java] if self.java else []), *self.workers]


def each_process(read: Callable[[psutil.Process], Value]) -> Iterator[tuple[psutil.Process, Value]]:
    """Every process and what `read` returns for it; not those that exit or may not be read."""
    for process in psutil.process_iter():
        try:
            value = read(process)
        except (psutil.Error, FileNotFoundError):  # psutil lets the latter through at an exit
            continue
        yield process, value


def end(temp: str | None) -> bool:
    """End Java and its workers; False if none was running. Raises Failure if not permitted."""
    running = Processes(temp)
    if running.java is not None:
        _signal(running.java.terminate)  # Java ends its workers; TorchServe does not drain requests
        psutil.wait_procs(running.all, timeout=STOP_SECONDS)
    left = Processes(temp).all
    for process in left:
        _signal(process.kill)
    psutil.wait_procs(left, timeout=STOP_SECONDS)
    return bool(running.all)


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        pass  # it has exited in the meantime
    except psutil.AccessDenied as error:
        raise Failure(
            f"Process {error.pid} of the server belongs to another user: stop it as that user."
        ) from None
