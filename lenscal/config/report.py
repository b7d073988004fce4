"""The section `report`."""

from __future__ import annotations

from lenscal.config.section import Section


class Report(Section):
    """The page."""

    title: str = "Detector audit"
    """Heading of the page."""
    depth: float | None = None
    """Depth [AB mag] at which the headline figure cuts the cube; the middle one by default."""
