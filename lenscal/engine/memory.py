"""Memory of this process."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def peak_memory() -> float:
    """Of this process, in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def give_back() -> None:
    """Hand memory that this process no longer uses to the system, where its library for memory does that on request:
    glibc keeps what was freed, which for the images of a training is as much as all the rest.
    """
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
