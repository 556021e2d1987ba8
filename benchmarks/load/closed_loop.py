"""Closed-loop load with wrk: n connections, one request in flight on each."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.failure import Failure

SCRIPT = Path(__file__).with_name("cycle.lua")
# Slow is not wrong: only a request without an answer after this time counts as an error.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Report:
    """What wrk measured: latencies in ms, None if no request was answered with a 2xx or 3xx."""

    requests: int
    requests_per_second: float
    p50: float | None
    p95: float | None
    p99: float | None
    errors: int


def run(url: str, bodies: Sequence[bytes], file: Path, connections: int, seconds: int) -> Report:
    """Send `bodies` in turn, from one thread, and report.

    `file` is written for wrk to read the bodies from. Raises Failure if wrk does not report.
    """
    file.write_bytes(b"\n".join(bodies) + b"\n")
    command: list[str | Path] = [
        "wrk",
        *("--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", f"{TIMEOUT_SECONDS}s", "--script", SCRIPT, url, "--", file),
    ]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse(process.stdout, process.stderr)


def parse(stdout: str, stderr: str = "") -> Report:
    """Parse the line of JSON that cycle.lua prints at the end; raises Failure if it is missing."""
    line = next((line for line in stdout.splitlines() if line.startswith('{"requests"')), None)
    if line is None:
        raise Failure("wrk did not report.", stdout + stderr)
    report = json.loads(line)
    errors = report["statuses"] + report["timeouts"] + report["sockets"]
    answered = max(report["requests"] - report["statuses"], 0)
    p50, p95, p99 = (report[name] / 1e3 if answered else None for name in ("p50", "p95", "p99"))
    return Report(answered, answered / (report["microseconds"] / 1e6), p50, p95, p99, errors)
