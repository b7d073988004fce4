"""What the engine refuses."""

from __future__ import annotations

from lenscal.errors import LenscalError


class PlanError(LenscalError, RuntimeError):
    """A run that cannot start or go on as it stands."""


class BlockError(LenscalError, RuntimeError):
    """A block of work that failed; the message names it."""


class SetAside(BlockError):
    """Blocks that failed as often as they may be tried, while all others were done; the message names them."""

    def __init__(self, text: str, names: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.names = names


class Stuck(BlockError):
    """A block that does not end, for the second time; `block` is its number in the job."""

    def __init__(self, text: str, block: int) -> None:
        super().__init__(text)
        self.block = block
