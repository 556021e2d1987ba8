"""Closed loop: so many connections, each of which sends when it has its answer. By wrk."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.failure import Failure

SCRIPT = Path(__file__).with_name("cycle.lua")
# Slow is not wrong: a server is given this long before a request counts as an error.
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Report:
    """What wrk says; latencies in ms, None where nothing was answered."""

    requests: int
    requests_per_second: float
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int


def check_wrk() -> None:
    """Raises Failure."""
    if shutil.which("wrk") is None:
        raise Failure("The load is made by wrk: install it, as in 'sudo apt install wrk'.")


def run(url: str, bodies: Sequence[bytes], file: Path, connections: int, seconds: int) -> Report:
    """Send `bodies` in turn, from one thread; `file` is where wrk reads them. Raises Failure."""
    file.write_bytes(b"\n".join(bodies) + b"\n")
    command: list[str | Path] = [
        "wrk",
        *("--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", f"{PATIENCE_SECONDS}s", "--script", SCRIPT, url, "--", file),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse(done.stdout, done.stderr)


def parse(said: str, complaints: str = "") -> Report:
    """Read the line of JSON that our script has wrk end with; raises Failure."""
    line = next((line for line in said.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise Failure("wrk did not report.", said + complaints)
    found = json.loads(line)
    errors = found["statuses"] + found["timeouts"] + found["sockets"]
    answered = max(found["requests"] - found["statuses"], 0)
    p50, p95, p99 = (found[name] / 1e3 if answered else None for name in ("p50", "p95", "p99"))
    return Report(answered, answered / (found["microseconds"] / 1e6), p50, p95, p99, errors)
