"""What this machine's CPU multiplies matrices with, which decides what serves best."""

from pathlib import Path


def has_bf16() -> bool:
    """Whether it has bf16 in hardware; without, bf16 is slower than int8."""
    return "amx_bf16" in _flags()


def has_vnni() -> bool:
    """Whether it sums up products of 8 bits in 32."""
    return bool({"avx512_vnni", "avx_vnni"} & _flags())


def _flags() -> set[str]:
    try:
        return set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return set()
