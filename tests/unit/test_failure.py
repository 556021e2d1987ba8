"""Commands fail with an exit code and one sentence on stderr."""

import pytest

from scripts.failure import Failure, reports_failures


@pytest.mark.parametrize(
    ("error", "code", "stderr"),
    [
        (None, 0, ""),
        (Failure("Install it."), 1, "Install it.\n"),
        (Failure("Install it.", "last line of the log"), 1, "last line of the log\nInstall it.\n"),
        (OSError(28, "No space left on device"), 1, "Nothing can be written: [Errno 28] "),
        (KeyboardInterrupt(), 130, "Interrupted: try again.\n"),
    ],
)
def test_a_command_ends_with_an_exit_code_and_a_sentence(
    error: BaseException | None, code: int, stderr: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @reports_failures(os_error="Nothing can be written", interrupted="Interrupted: try again.")
    def main() -> None:
        if error:
            raise error

    assert main() == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(stderr)
    assert bool(captured.err) == bool(stderr)


def test_defects_are_raised() -> None:
    @reports_failures()
    def main() -> None:
        raise OSError("a bug, unless the command says otherwise")

    with pytest.raises(OSError, match="a bug"):
        main()
