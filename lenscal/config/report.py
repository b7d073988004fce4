"""The section `report`."""

from __future__ import annotations

from typing import Annotated, Literal

from lenscal.config.section import Placement, Section


class Report(Section):
    """The page."""

    title: str = "Detector audit"
    """Heading of the page."""
    depth: float | None = None
    """Depth [AB mag] at which the headline figure cuts the cube; the middle one by default."""
    beside: Annotated[str | None, Placement()] = None
    """Run file of a finished run with another detector on the same trials (`lenscal detector bring` makes one); the
    report gets a section on what either finds."""
    tables: list[Literal["votable", "fits", "ecsv"]] = []
    """Formats in which every table of the report is written besides CSV."""

    def content(self) -> dict:
        """See `Section.content`; without further formats the report is as it was before there was such a key."""
        found = super().content()
        if not self.tables:
            del found["tables"]
        return found
