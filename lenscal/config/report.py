"""The section `report`."""

from __future__ import annotations

from lenscal.config.section import Section


class Report(Section):
    """The page."""

    title: str = "Detector audit"
    """Of the page."""
    depth: float | None = None
    """Depth of the headline figure; the middle one by default."""
