"""Memory of this process."""

from __future__ import annotations


def peak_memory() -> float:
    """Of this process, in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
