"""The section `sky`: the embedded sky."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
    model_validator,
)

from lenscal import schema
from lenscal.config.section import Section
from lenscal.errors import InputError


class LensPopulation(Section):
    """What the true lenses of the embedded sky are like. The defaults are those of the audit; others are for
    asking whether it notices.
    """

    hosts: Literal["massive", "ordinary", "blue"] = "massive"
    """`massive`: red and the brighter the wider the ring; `ordinary`: light as the early galaxies of the
    sky have it; `blue`: discs.
    """
    offsets: tuple[float, float] = (0.05, 0.4)
    """Range of the source's offset over theta_E, uniform in area."""
    sources: Literal["spiral", "smooth", "compact"] = "spiral"
    """`spiral`: discs with arms and knots; `smooth`: without them; `compact`: smooth, and 0.4 times the size."""
    lensed_mag_r: tuple[float, float] = (19.6, 21.4)
    """Range of the magnitude of all images together, uniform."""
    lensed_colour_gr: float = 0.2
    """Mean g - r of the sources [mag]."""
    arcs: bool = True
    """False draws the lenses' galaxies, noise and all, without their arcs: what a detector sees of the hosts alone."""

    @model_validator(mode="after")
    def _inside_the_ring(self) -> LensPopulation:
        if not 0 <= self.offsets[0] < self.offsets[1] <= 1:
            raise InputError(
                f"offsets run from {self.offsets[0]:g} to {self.offsets[1]:g}; expected numbers from 0 to 1"
            )
        return self


class Sky(Section):
    """The embedded sky that `lenscal mock` draws (a mock survey; every product made from it says so)."""

    release: Literal["dr10", "dr11"] = "dr10"
    """In whose files and formats the sky is written."""
    region: Literal["south", "north", "both"] = "south"
    """Which telescopes see it: DECam, or BASS and MzLS, whose bands are g, r and z (DR11 only; the sky then lies
    beyond declination 33), or both, on a sky across the declination where the north begins, with bricks in both.
    """
    bricks: int = Field(132, ge=4)
    """Bricks, most in a HEALPix pixel of their own."""
    brick_pixels: int = Field(900, ge=300, le=3600)
    """Side of a brick in pixels (3600 in the survey)."""
    galaxies_per_brick: int = Field(60, ge=1)
    """Galaxies in a brick, on average."""
    lenses: int = Field(64, ge=0)
    """True lenses; a few are in no catalogue."""
    overlapping_pairs: int = Field(6, ge=0)
    """Pairs of bricks that overlap."""
    psfsize_r_arcsec: tuple[float, float] = (0.9, 1.8)
    """Range of PSFSIZE_R over the bricks."""
    psfdepth_r_mag: tuple[float, float] = (22.5, 24.5)
    """Range of PSFDEPTH_R over the bricks."""
    lens_population: LensPopulation = LensPopulation()
    """What the true lenses are like; see below."""

    @model_validator(mode="after")
    def _released(self) -> Sky:
        schema.release(self.release, self.region)
        return self
