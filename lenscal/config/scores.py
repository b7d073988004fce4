"""The section `scores`."""

from __future__ import annotations

from pydantic import (
    Field,
)

from lenscal.config.section import Section


class Scores(Section):
    """How images are scored."""

    batch: int = Field(128, ge=1)
    """Images handed to the detector in one call; it bounds memory and changes no score."""
