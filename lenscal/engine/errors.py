"""What the engine refuses."""

from __future__ import annotations

from lenscal.errors import LenscalError


class PlanError(LenscalError, RuntimeError):
    """A run that cannot start or go on as it stands."""


class BlockError(LenscalError, RuntimeError):
    """A block of work that failed; the message names it."""
