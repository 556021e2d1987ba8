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
from scripts.launcher.profiles import PROFILES, profile_front, profile_server
from scripts.launcher.run import run
from scripts.launcher.server import Server


@reports_failures(os_error="The server cannot be started or stopped")
def main() -> None:
    """Run the command; `run` sets the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.launcher",
        description="Start or stop the TorchServe of this checkout.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serving = commands.add_parser(
        "serve", help="start the server, and wait until it has answered a request"
    )
    serving.add_argument("--front", action="store_true", help="start nginx in front of it")
    running = commands.add_parser(
        "run", help="run the server in the foreground until SIGTERM or Ctrl-C"
    )
    for command in (serving, running):
        command.add_argument("--profile", choices=PROFILES, default="local")
    commands.add_parser("stop", help="drain the server, and stop it with all its processes")
    arguments = parser.parse_args()
    if arguments.command == "serve":
        serve.start_profile(arguments.profile, front=arguments.front)
    elif arguments.command == "stop":
        stop(profile_server("local").with_its_settings())
    else:
        server = profile_server(arguments.profile)
        sys.exit(run(server, lambda: serve.renew_tokens(server, arguments.profile)))


def stop(server: Server) -> None:
    """Drain and stop the server and its front, or say that neither was running."""
    front = profile_front(server)
    was_running = front.is_running or server.java() is not None
    try:
        if server.has_clients():
            # The front passes the 503 of `ready` on, and then takes no new requests.
            drain(server, front.quit)
        front.stop()
    finally:
        server.stop()
    print("Stopped." if was_running else "The server was not running.")


if __name__ == "__main__":
    sys.exit(main())
