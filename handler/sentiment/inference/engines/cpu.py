"""Which CPU this is, and which matrix instructions it has."""

import hashlib
import platform
from pathlib import Path

# What /proc/cpuinfo says of a CPU, on x86 and on Arm, that an engine may depend on.
_KEYS = ("model name", "flags", "CPU implementer", "CPU part", "Features")


def cpu_name() -> str:
    """The CPU's name and a hash of its features: equal for CPUs that run an engine alike."""
    facts = _facts()
    name = facts.get("model name") or platform.machine()
    digest = hashlib.sha256(repr([facts.get(key) for key in _KEYS]).encode())
    return f"{name} {digest.hexdigest()[:8]}"


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 matrices (AMX)."""
    return "amx_bf16" in _flags()


def has_vnni() -> bool:
    """Whether the CPU accumulates int8 products in int32 (VNNI)."""
    return bool({"avx512_vnni", "avx_vnni"} & _flags())


def _flags() -> set[str]:
    return set(_facts().get("flags", "").split())


def _facts() -> dict[str, str]:
    """The facts of the first core; empty where there is no /proc."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in reversed(lines))
    return {key.strip(): value.strip() for key, _, value in pairs}
