"""The matrix instructions of this machine's CPU, which decide which engine is fastest."""

from pathlib import Path


def has_bf16() -> bool:
    """Whether it multiplies bf16 matrices in hardware (AMX); otherwise bf16 is slower than int8."""
    return "amx_bf16" in _flags()


def has_vnni() -> bool:
    """Whether it accumulates int8 products in int32 (VNNI)."""
    return bool({"avx512_vnni", "avx_vnni"} & _flags())


def _flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()
