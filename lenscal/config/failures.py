"""The section `failures`."""

from __future__ import annotations

from pydantic import (
    Field,
)

from lenscal.config.section import Section


class Failures(Section):
    """What is kept of missed and false detections."""

    gallery: int = Field(24, ge=0)
    """Images shown of each kind: false positives, missed injections, missed lenses."""
