"""The server of this checkout.

python -m scripts.launcher serve      start it in the background, as `make serve` does
python -m scripts.launcher stop       drain and stop it, as `make stop` does
python -m scripts.launcher run        run it in the foreground, for systemd or a container
"""

import argparse
import sys

from scripts.failure import reports_failures
from scripts.launcher import serve
from scripts.launcher.drain import drain
from scripts.launcher.properties import Properties
from scripts.launcher.run import run
from scripts.launcher.server import Server
from scripts.paths import ROOT


@reports_failures(os_error="The server cannot be started or stopped")
def main() -> None:
    """Run the command; `run` sets the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.launcher",
        description="Start or stop the TorchServe of this checkout.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("serve", help="start the server, and wait until it has answered a request")
    commands.add_parser("stop", help="drain the server, and stop it with all its processes")
    commands.add_parser("run", help="run the server in the foreground until SIGTERM or Ctrl-C")
    command = parser.parse_args().command
    server = Server(
        Properties.read(ROOT / "config.properties"),
        model_store=ROOT / "model_store",
        log_config=ROOT / "log4j2.xml",
        home=ROOT,
        run=ROOT / ".run",
    )
    if command == "serve":
        serve.start(server)
    elif command == "stop":
        if server.has_clients():
            drain(server)
        print("Stopped." if server.stop() else "The server was not running.")
    else:
        sys.exit(run(server))


if __name__ == "__main__":
    sys.exit(main())
