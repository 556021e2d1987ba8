"""8. This service with the configuration that ships, on free ports, in the working folder."""

import os
import signal
import sys
from pathlib import Path

from benchmarks.ports import free_ports
from scripts.failure import Failure
from scripts.properties import Properties
from scripts.server import Server

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Start it, wait to be ended, and end it."""
    # An exception wherever it comes, so that what was started is stopped.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    folder = Path.cwd()
    server = Server(
        configure(folder / "config.properties", int(os.environ["PORT"])),
        model_store=Path(os.environ["ARCHIVE"]).parent,
        log_config=ROOT / "log4j2.xml",
        home=folder,
        run=folder,
    )
    try:
        server.start()
        signal.pause()
    except Failure as failure:
        sys.exit(f"{failure}\n{failure.log}")
    finally:
        server.stop()


def configure(path: Path, port: int) -> Properties:
    """The shipped settings, with other ports."""
    management, metrics, grpc, grpc_management = free_ports(4)
    return Properties.read(ROOT / "config.properties").write(
        path,
        inference_address=f"http://127.0.0.1:{port}",
        management_address=f"http://127.0.0.1:{management}",
        metrics_address=f"http://127.0.0.1:{metrics}",
        grpc_inference_port=str(grpc),
        grpc_management_port=str(grpc_management),
        metrics_config=str(ROOT / "metrics.yaml"),
    )


if __name__ == "__main__":
    main()
