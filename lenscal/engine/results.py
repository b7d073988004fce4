"""What one stage did in a run."""

from __future__ import annotations

from dataclasses import dataclass

from lenscal.gates import Gate


@dataclass(frozen=True)
class StageResult:
    """What one stage did in this run."""

    name: str
    state: str  # "done" or "was complete"
    blocks: int
    rows: int
    seconds: float
    digest: str
    gates: tuple[Gate, ...] = ()
    because: tuple[str, ...] = ()
    """What differs from an earlier plan of the stage, by name."""
