"""`make serve`: start the server in the background, and show what it answers."""

import json
import os

from scripts.failure import Failure
from scripts.launcher.server import EXAMPLE, MODEL, Server
from scripts.paths import ROOT
from sentiment_client import Prediction, SentimentError

# The environment variables in which curl looks for a proxy for http://.
_PROXIES = {"http_proxy", "all_proxy", "ALL_PROXY"}


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
