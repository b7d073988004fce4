"""The sky: embedded or the survey's own, and where its pixels come from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class LensPopulation(Section):
    """What the true lenses of the embedded sky are like. The defaults are those of the audit; others are for asking whether it notices."""

    hosts: Literal["massive", "ordinary", "blue"] = "massive"
    """`massive`: red and the brighter the wider the ring; `ordinary`: light as the early galaxies of the sky have it; `blue`: discs."""
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
            raise InputError(f"offsets run from {self.offsets[0]:g} to {self.offsets[1]:g}; expected numbers from 0 to 1")
        return self


class Sky(Section):
    """The embedded sky that `lenscal mock` draws (a mock survey; every product made from it says so)."""

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


class Service(Section):
    """A public cutout service that gives the pixels, instead of bricks on disk."""

    url: str = Field("https://www.legacysurvey.org/viewer/fits-cutout", pattern=r"^https?://[^?]+$")
    """Of its FITS cutouts; the layer asked for is `survey.layer`."""
    planes: list[Literal["invvar", "maskbits"]] = ["invvar", "maskbits"]
    """Beside the image; leave out what the layer does not have (then no weights, no mask bits)."""
    requests_per_second: Annotated[float, Placement()] = Field(2.0, gt=0)
    """At most, on one machine, all processes together."""
    attempts: Annotated[int, Placement()] = Field(8, ge=1)
    """Before the run stops; what is complete stays complete."""
    backoff_seconds: Annotated[float, Placement()] = Field(1.0, gt=0)
    """Wait after the first failed attempt, doubled after each; an answer's Retry-After goes before it."""
    timeout_seconds: Annotated[float, Placement()] = Field(60.0, gt=0)
    """For an answer to begin, and between its bytes."""


class Survey(Section):
    """Where the pixels and the catalogue come from: the DR10 layout, or sets of stamps."""

    layout: Literal["dr10", "stamps"] = "dr10"
    """`dr10`: the survey's own folders; `stamps`: sets of stamps described in lenscal/profiles.yaml."""
    root: Annotated[str, Placement()]
    """Folder (relative to the run file); `{real_data}` stands for LENSCAL_REAL_DATA."""
    profiles: list[str] = []
    """Stamps only: which profiles."""
    layer: str = "ls-dr10-south"
    """Name recorded as provenance; of a service the layer asked for."""
    service: Service | None = None
    """Pixels from a cutout service; `root` then needs the catalogue and the table of bricks only."""
    mock: bool = False
    """True marks every product as made from the embedded sky."""
    randoms: Annotated[list[str], Placement()] = []
    """Files (or addresses) of random points: the area with each seeing and depth is then theirs, not that of the table of bricks."""
    randoms_density: Annotated[float | None, Placement()] = Field(None, gt=0)
    """Points to the square degree in each of them, where its header has no DENSITY."""

    @model_validator(mode="after")
    def _points_of_a_survey(self) -> Survey:
        if self.randoms and self.layout != "dr10":
            raise InputError(f"randoms are points of a survey, and layout is '{self.layout}'; leave them out")
        return self
