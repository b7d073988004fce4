"""The section `failures`."""

from __future__ import annotations

from pydantic import (
    Field,
)

from lenscal.config.section import Section


class Failures(Section):
    """What is kept of missed and false detections."""

    gallery: int = Field(24, ge=0)
    """Rows of each kind to show."""
