"""Forms in which a detector is brought, one file each: every one gives a `Runtime`."""

from __future__ import annotations

from lenscal.detector.adapters.runtime import Runtime

__all__ = ["Runtime"]
