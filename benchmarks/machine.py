"""Describe the machine, and the versions of all software in a measurement."""

import importlib.metadata
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

from scripts.launcher.java import java_home

PACKAGES = (
    *("torch", "transformers", "tokenizers", "openvino", "onnxruntime", "torchserve"),
    *("fastapi", "uvicorn", "flask", "waitress", "litserve", "mosec", "ray"),
)
# Patterns of the lines in which Java and wrk print their versions.
JAVA_VERSION, WRK_VERSION = r'version "([^"]+)"', r"^wrk (\S+)"
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_vnni", "amx_bf16", "amx_int8")


def describe() -> dict[str, Any]:
    """Return the CPU, cores, memory, system, load average and versions, as JSON values."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load": os.getloadavg()[0],
        "versions": {"Python": platform.python_version(), **_versions()},
    }


def _cpu() -> str:
    """The CPU's name, family, model and instruction sets, since the name may be vague."""
    fields: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name", platform.processor())
    flags = fields.get("flags", "").split()
    known = [flag for flag in INSTRUCTION_SETS if flag in flags]
    family = f"family {fields.get('cpu family')}, model {fields.get('model')}"
    return f"{name} ({family}; {', '.join(known)})"


def _versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    java = _output(java_home() / "bin" / "java", "-version")
    return versions | {
        "Java": version_in(java, JAVA_VERSION),
        "wrk": version_in(_output("wrk", "-v"), WRK_VERSION),
    }


def version_in(output: str, pattern: str) -> str:
    """Return the group of the first match of `pattern` on any line, or "unknown".

    Other lines may come first: with JAVA_TOOL_OPTIONS set, Java begins with "Picked up ...".
    """
    match = re.search(pattern, output, re.MULTILINE)
    return match[1] if match else "unknown"


def _output(*command: str | Path) -> str:
    process = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return process.stdout
