"""`make serve` and `make stop`: the server of this checkout.

python -m scripts.launcher.serve start
python -m scripts.launcher.serve stop
"""

import argparse
import json
import os
import sys

from scripts.failure import Failure
from scripts.launcher.properties import Properties
from scripts.launcher.server import EXAMPLE, MODEL, Server
from scripts.paths import ROOT
from sentiment_client import Prediction, SentimentError

# The environment variables in which curl looks for a proxy for http://.
_PROXIES = {"http_proxy", "all_proxy", "ALL_PROXY"}


def main() -> int:
    """Run the command; the exit code is 1 if it fails, 2 if it does not exist."""
    parser = argparse.ArgumentParser(
        prog="python -m scripts.launcher.serve",
        description="Start or stop the TorchServe of this checkout.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("start", help="start the server, and wait until it has answered a request")
    commands.add_parser("stop", help="stop the server with all its processes")
    command = parser.parse_args().command
    try:
        server = Server(
            Properties.read(ROOT / "config.properties"),
            model_store=ROOT / "model_store",
            log_config=ROOT / "log4j2.xml",
            home=ROOT,
            run=ROOT / ".run",
        )
        {"start": start, "stop": stop}[command](server)
    except Failure as failure:
        if failure.log:
            print(f"\nThe last lines of the log:\n{failure.log}\n", file=sys.stderr)
        print(failure, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The server cannot be started or stopped: {error}.", file=sys.stderr)
        return 1
    return 0


def start(server: Server) -> None:
    """Start the server unless it is running; show its answer to an example."""
    if server.java() is None:
        print("Starting TorchServe", flush=True)
        show(server, server.start(), "is up")
        return
    try:
        with server.client(max_retries=1) as client:
            answer = client.predict(EXAMPLE)
    except SentimentError as error:
        raise Failure(
            f"The server is running but does not answer: {error} Try 'make stop', then "
            "'make serve'.",
            server.last_lines(),
        ) from None
    show(server, answer, "is already up")
    started = server.started()
    changed = [
        path.name
        for path in (
            server.properties.path,
            server.log_config,
            ROOT / "metrics.yaml",
            server.model_store / f"{MODEL}.mar",
        )
        if path.stat().st_mtime > started
    ]
    if changed:
        print(
            f"\n{' and '.join(changed)} changed after it was started: run 'make stop serve' to "
            "apply that."
        )


def stop(server: Server) -> None:
    """Stop the server, or say that it was not running."""
    print("Stopped." if server.stop() else "The server was not running.")


def show(server: Server, answer: Prediction, state: str) -> None:
    """Print the address, a command that sends a text, and the server's `answer` to it."""
    url = f"{server.properties.inference}/predictions/{MODEL}"
    body = json.dumps({"text": EXAMPLE})
    # Otherwise curl would send the text to the proxy.
    options = " --noproxy '*'" if _PROXIES & os.environ.keys() else ""
    if server.properties.needs_token:
        read = "import json; print(json.load(open('key_file.json'))['inference']['key'])"
        options += f' -H "Authorization: Bearer $(python3 -c "{read}")"'
    native = {
        "sentiment": answer.label,
        "score": answer.score,
        "scores": answer.scores,
        "tokens": answer.tokens,
        "windows": answer.windows,
        "truncated": answer.truncated,
    }
    print(f"The server {state} at {server.properties.inference}; its log is {server.log}\n")
    print(f"  curl -H 'Content-Type: application/json' -d '{body}'{options} {url}")
    print(f"  {json.dumps(native)}")


if __name__ == "__main__":
    sys.exit(main())
