"""The embedded sky: a seeded mock survey in the layout and formats of DR10 or DR11, drawn with GalSim;
see docs/stages/mock.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lenscal.extras import named

if TYPE_CHECKING:
    from lenscal import config

__all__ = ["draw", "is_current"]


def draw(
    settings: config.Settings, scale: float = 1.0, progress: Callable[[int, int], None] | None = None, workers: int = 2
) -> dict:
    """Write the mock survey of a run file; see `lenscal.mock.survey.draw`."""
    with named():
        from lenscal.mock import survey

    return survey.draw(settings, scale, progress, workers)


def is_current(settings: config.Settings, scale: float = 1.0) -> bool:
    """Whether the sky of a run file is there, complete; see `lenscal.mock.survey.is_current`."""
    with named():
        from lenscal.mock import survey

    return survey.is_current(settings, scale)
