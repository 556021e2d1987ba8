"""Give freed memory back to the operating system.

Varying batch shapes fragment glibc's heap: 570 MB resident with 480 MB in use. Trimming takes 1 to
5 ms.
"""

import ctypes

# Only glibc has this function; the allocators of other C libraries do without.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def release() -> None:
    """Return free heap memory to the system."""
    if _malloc_trim is not None:
        _malloc_trim(0)
