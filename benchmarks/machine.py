"""What the measurements were made on, and with."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from scripts.launcher.java import java_home

PACKAGES = (
    *("torch", "transformers", "tokenizers", "openvino", "onnxruntime", "torchserve"),
    *("fastapi", "uvicorn", "flask", "waitress", "litserve", "mosec", "ray"),
)


def describe() -> dict[str, Any]:
    """The machine by the names that people know it by, and the version of all that took part."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load": os.getloadavg()[0],
        "versions": {"Python": platform.python_version(), **_versions()},
    }


def _cpu() -> str:
    """The model by the kernel's word; its numbers too, since a name may say very little."""
    said: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        said.setdefault(name.strip(), value.strip())
    name = said.get("model name", platform.processor())
    flags = said.get("flags", "").split()
    known = [
        flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_bf16", "amx_int8") if flag in flags
    ]
    family = f"family {said.get('cpu family')}, model {said.get('model')}"
    return f"{name} ({family}; {', '.join(known)})"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    java = subprocess.run(
        [java_home() / "bin" / "java", "-version"], capture_output=True, text=True, check=False
    )
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    return found | {
        "Java": java.stderr.splitlines()[0].split('"')[1],
        "wrk": wrk.stdout.split()[1],
    }
