"""Return freed memory to the operating system.

Batches of varying shapes fragment glibc's heap: 570 MB resident where 480 MB are in use. Trimming
takes 1 to 5 ms.
"""

import ctypes

# Only glibc has it.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)


def release() -> None:
    """Return free heap memory to the system."""
    if _malloc_trim is not None:
        _malloc_trim(0)
