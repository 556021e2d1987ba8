"""How a script ends when it cannot do its work: one sentence and exit code 1."""


class Failure(Exception):
    """`str()` is for the user: what is wrong, and what to change. `log` are lines to show."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log
