"""The section `cutouts`."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
)

from lenscal.config.section import Section


class Cutouts(Section):
    """Pixels about each row of the manifest."""

    size: int = Field(101, ge=21, le=512)
    """Side of a cutout in pixels of 0.262 arcsec."""
    psf_beta: float = Field(2.5, gt=1.1)
    """Wings of the Moffat PSF (its beta) where the survey gives no PSF image."""
    broken: Literal["stop", "count"] = "stop"
    """What a missing or broken file of a brick does: stop the run, or keep its galaxies as failed rows, counted."""
    block: int = Field(256, ge=16, multiple_of=16)
    """Galaxies in one block of work, and in one shard of the store."""
    rounding_nanomaggy: float | None = Field(None, gt=0)
    """Images are rounded to multiples of the power of two at or below this, to compress better; refused where it is
    not far below the noise.
    """
