"""Commands that run as on a CPU without AMX."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.paths import ROOT


def namespaces() -> bool:
    """Whether this user may make a mount namespace."""
    command = ["unshare", "--mount", "true"]
    return (
        shutil.which("unshare") is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or not namespaces(),
    reason="needs x86-64 and namespaces: make test as root",
)
# Prints what a program finds out, in a process that the command starts.
PROBE = """
import ctypes, json, subprocess, sys
from pathlib import Path
from sentiment.inference.engines.cpu import has_bf16, has_vnni
if len(sys.argv) == 1:
    sys.exit(subprocess.run([sys.executable, __file__, "child"]).returncode)
libc = ctypes.CDLL(None, use_errno=True)
refused = libc.syscall(158, 0x1023, 18)  # arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)
flags = Path("/proc/cpuinfo").read_text()
known = [name for name in ("avx2", "avx512f", "amx_tile", "amx_int8") if f" {name}" in flags]
print(json.dumps([refused, ctypes.get_errno(), has_bf16(), has_vnni(), known]))
"""


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "handler")},
        capture_output=True,
        text=True,
        check=False,
    )


def without_amx(*command: str) -> "subprocess.CompletedProcess[str]":
    return run("-m", "benchmarks.without_amx", *command)


def test_amx_is_refused_and_hidden(tmp_path: Path) -> None:
    script = tmp_path / "probe.py"
    script.write_text(PROBE, encoding="utf-8")
    with_amx = run(str(script), "child")
    process = without_amx(sys.executable, str(script))
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)[:3] == [-1, 1, False]
    # All else is as it was.
    kept = [name for name in json.loads(with_amx.stdout)[4] if not name.startswith("amx")]
    assert json.loads(process.stdout)[3:] == [json.loads(with_amx.stdout)[3], kept]


def test_the_command_gets_its_arguments_and_its_exit_code_counts() -> None:
    process = without_amx(
        sys.executable, "-c", "import sys; print(sys.argv[1:]); sys.exit(3)", "a b"
    )
    assert (process.returncode, process.stdout) == (3, "['a b']\n")
    assert without_amx().returncode == 2
    missing = without_amx("--", "no-such-program")
    assert (missing.returncode, missing.stderr) == (1, "no-such-program is not installed.\n")
