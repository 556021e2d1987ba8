"""How a command fails: one sentence on stderr and exit code 1."""

import functools
import sys
from collections.abc import Callable


class Failure(Exception):
    """An expected error: `str()` says what is wrong and what to change; `log` has details."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def first_line(error: Exception) -> str:
    """The first line of what `error` says, or its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def reports_failures(
    *, os_error: str = "", interrupted: str = "Interrupted."
) -> Callable[[Callable[[], None]], Callable[[], int]]:
    """Decorate a `main` so that it returns an exit code, and reports expected errors on stderr.

    0 after success; 1 after a `Failure`, with its log and sentence; 130 after Ctrl-C, with the
    sentence `interrupted`. If `os_error` says what could not be done ("The archive cannot be
    written"), also 1 after an `OSError`. Any other exception is a defect and is raised.
    """

    def decorate(main: Callable[[], None]) -> Callable[[], int]:
        @functools.wraps(main)
        def run() -> int:
            try:
                main()
            except Failure as failure:
                print(*filter(None, (failure.log, failure)), sep="\n", file=sys.stderr)
                return 1
            except OSError as error:
                if not os_error:
                    raise
                print(f"{os_error}: {error}.", file=sys.stderr)
                return 1
            except KeyboardInterrupt:
                print(interrupted, file=sys.stderr)
                return 130
            return 0

        return run

    return decorate
