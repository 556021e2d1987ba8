"""How a command ends when it cannot do its work: one sentence on stderr and exit code 1."""

import functools
import sys
from collections.abc import Callable


class Failure(Exception):
    """`str()` is for the user: what is wrong, and what to change. `log` holds lines to show."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def reports_failures(
    *, os_error: str = "", interrupted: str = "Interrupted."
) -> Callable[[Callable[[], None]], Callable[[], int]]:
    """Decorate a `main` so that it returns an exit code and never ends in a traceback by design.

    0 after success; 1 after a `Failure`, whose log and sentence go to stderr; 1 after an `OSError`
    where `os_error` says what could not be done ("The archive cannot be written"); 130 after
    Ctrl-C, with the sentence `interrupted`. Everything else is a defect and is raised.
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
