"""The section `survey`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    model_validator,
)

from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class Service(Section):
    """A public cutout service that gives the pixels, instead of bricks on disk."""

    url: str = Field("https://www.legacysurvey.org/viewer/fits-cutout", pattern=r"^https?://[^?]+$")
    """Address that gives FITS cutouts; the layer asked for is `survey.layer`."""
    planes: list[Literal["invvar", "maskbits"]] = ["invvar", "maskbits"]
    """Planes asked for beside the image; leave out what the layer does not have (then there are no
    weights, or no mask bits).
    """
    requests_per_second: Annotated[float, Placement()] = Field(2.0, gt=0)
    """Largest rate of requests from one machine, all processes together."""
    attempts: Annotated[int, Placement()] = Field(8, ge=1)
    """How often a request is tried before the run stops; what is complete stays complete."""
    backoff_seconds: Annotated[float, Placement()] = Field(1.0, gt=0)
    """Wait after the first failed attempt; it doubles with each, and an answer's Retry-After goes before it."""
    timeout_seconds: Annotated[float, Placement()] = Field(60.0, gt=0)
    """How long an answer may take to begin, and may pause."""


class Survey(Section):
    """Where the pixels and the catalogue come from: the DR10 layout, or sets of stamps."""

    layout: Literal["dr10", "stamps"] = "dr10"
    """`dr10`: the survey's own folders; `stamps`: sets of stamps described in lenscal/profiles.yaml."""
    root: Annotated[str, Placement()]
    """Folder (relative to the run file); `{real_data}` stands for LENSCAL_REAL_DATA."""
    profiles: list[str] = []
    """Stamps only: which profiles."""
    layer: str = "ls-dr10-south"
    """Name of the data, recorded with the pixels; a service is asked for this layer."""
    service: Service | None = None
    """Pixels from a cutout service; `root` then needs the catalogue and the table of bricks only."""
    mock: bool = False
    """True marks every product as made from the embedded sky."""
    randoms: Annotated[list[str], Placement()] = []
    """Files (or addresses) of random points: the area with each seeing and depth is then theirs, not
    that of the table of bricks.
    """
    randoms_density: Annotated[float | None, Placement()] = Field(None, gt=0)
    """Points to the square degree in each of them, where its header has no DENSITY."""

    @model_validator(mode="after")
    def _points_of_a_survey(self) -> Survey:
        if self.randoms and self.layout != "dr10":
            raise InputError(f"randoms are points of a survey, and layout is '{self.layout}'; leave them out")
        return self
