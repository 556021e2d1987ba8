"""`make serve` and `make stop`: the server of this checkout.

python -m scripts.launcher.serve start
python -m scripts.launcher.serve stop
"""

import json
import sys

from scripts.failure import Failure
from scripts.launcher.properties import Properties
from scripts.launcher.server import EXAMPLE, MODEL, Server
from scripts.paths import ROOT
from sentiment_client import Prediction, SentimentError


def main() -> int:
    """Run the one command that was named."""
    try:
        properties = Properties.read(ROOT / "config.properties")
        server = Server(
            properties,
            model_store=ROOT / "model_store",
            log_config=ROOT / "log4j2.xml",
            home=ROOT,
            run=ROOT / ".run",
        )
        start(server) if sys.argv[1] == "start" else stop(server)
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
    """Start, or say that it is up; either way show a real answer."""
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
        print(f"\nIt was started before {' and '.join(changed)} changed: 'make stop' first.")


def stop(server: Server) -> None:
    """Stop, or say that there is nothing to stop."""
    print("Stopped." if server.stop() else "The server was not running.")


def show(server: Server, answer: Prediction, state: str) -> None:
    """Where it is, how to ask it, and what it said just now."""
    url = f"{server.properties.inference}/predictions/{MODEL}"
    body = json.dumps({"text": EXAMPLE})
    token = ""
    if server.properties.needs_token:
        read = "import json; print(json.load(open('key_file.json'))['inference']['key'])"
        token = f' -H "Authorization: Bearer $(python3 -c "{read}")"'
    native = {
        "sentiment": answer.label,
        "score": answer.score,
        "scores": answer.scores,
        "tokens": answer.tokens,
        "truncated": answer.truncated,
    }
    print(f"The server {state} at {server.properties.inference}; its log is {server.log}\n")
    print(f"  curl -H 'Content-Type: application/json' -d '{body}'{token} {url}")
    print(f"  {json.dumps(native)}")


if __name__ == "__main__":
    sys.exit(main())
