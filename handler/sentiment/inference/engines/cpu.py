"""Which matrix instructions the CPU has; they decide which engine is fastest."""

from pathlib import Path


def has_bf16() -> bool:
    """Whether the CPU multiplies bf16 matrices (AMX); if not, bf16 is slower than int8."""
    return "amx_bf16" in _flags()


def has_vnni() -> bool:
    """Whether the CPU accumulates int8 products in int32 (VNNI)."""
    return bool({"avx512_vnni", "avx_vnni"} & _flags())


def _flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()
