"""`make serve`: start the server in the background, and show what it answers."""

import json
import os
import subprocess
import sys

from scripts.failure import Failure
from scripts.launcher.front import Front
from scripts.launcher.profiles import profile_front, profile_server
from scripts.launcher.server import EXAMPLE, MODEL, Server
from scripts.paths import ROOT
from sentiment_client import Prediction, SentimentError

# The environment variables in which curl looks for a proxy for http://.
_PROXIES = {"http_proxy", "all_proxy", "ALL_PROXY"}


def start_profile(profile: str, *, front: bool) -> None:
    """Start the server as `profile` configures it; in production, always with its `front`."""
    server = profile_server(profile)
    nginx = profile_front(server) if front or profile == "production" else None
    if nginx:
        nginx.check()
    start(server)
    renew_tokens(server, profile)
    if nginx:
        try:
            nginx.start()
        except Failure as failure:
            raise Failure(
                f"{failure} TorchServe runs without it: try the command again, or 'make stop'.",
                failure.log,
            ) from None
        show_front(nginx)


def renew_tokens(server: Server, profile: str) -> None:
    """Have the tokens renewed by a process that ends with the server, if it requires them."""
    if not server.properties.needs_token:
        return
    with (server.run / "tokens.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "scripts.launcher.tokens", profile],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def start(server: Server) -> None:
    """Start the server unless it is running; show its answer to an example."""
    java = server.java()
    if java is None:
        print("Starting TorchServe", flush=True)
        show(server, server.start(), "is up")
        return
    if str(server.properties.path.resolve()) not in java.cmdline():
        raise Failure("The server is running with another profile: run 'make stop' first.")
    server.draining.unlink(missing_ok=True)  # of a `make stop` that was killed
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
    # One second later: the kernel tells only in which second it was booted, and a process's time of
    # start is counted from then.
    started = server.started() + 1
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


def show_front(front: Front) -> None:
    """Print the front's address, and a command that sends a text."""
    body = json.dumps({"text": EXAMPLE})
    token = (
        f' -H "Authorization: Bearer $(cut -d" " -f1 {front.clients})"'
        if front.made_a_token
        else ""
    )
    print(f"\nThe front is up at {front.address}; its log is {front.access_log}\n")
    print(
        f"  curl --cacert {front.certificate} -H 'Content-Type: application/json' -d '{body}'"
        f"{token} {front.address}/predictions/{MODEL}"
    )
