"""8. This service with its default configuration, on free ports, in the working directory."""

import os
import signal
import sys
from pathlib import Path

from scripts.failure import Failure
from scripts.launcher.server import isolated_server


def main() -> None:
    """Start it, wait for SIGTERM, and stop it."""
    # Raise an exception, so that the server is stopped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    server = isolated_server(
        Path(os.environ["ARCHIVE"]).parent,
        Path.cwd(),
        inference_address=f"http://127.0.0.1:{os.environ['PORT']}",
    )
    try:
        server.start()
        signal.pause()
    except Failure as failure:
        sys.exit(f"{failure}\n{failure.log}")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
