"""What the engine refuses."""

from __future__ import annotations


class PlanError(RuntimeError):
    """A run that cannot start or go on as it stands."""


class BlockError(RuntimeError):
    """A block of work that failed; the message names it."""
