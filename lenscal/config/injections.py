"""The section `injections`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
)

from lenscal import schema
from lenscal.config.grid import Grid
from lenscal.config.section import Placement, Section
from lenscal.errors import InputError


class Injections(Section):
    """Lensed arcs put into real galaxies, cell by cell."""

    grid: Grid = Grid()
    """Axes of the cube, each by the first and last bin centre and the step."""
    trials: int = Field(200, ge=1)
    """Injections in each cell."""
    first_trial: int = Field(0, ge=0, lt=1 << 20)
    """Number of the first trial of each cell: above 0, a run goes on where another ended, and is added to it
    (`lenscal add`).
    """
    allocation: Annotated[str | None, Placement()] = None
    """CSV with theta_e, psf_fwhm, depth (centres of cells) and trials, as `lenscal allocate` writes: cells have so many
    of the `trials`, others none.
    """
    prior: str = "observed-colours"
    """A name in lenscal/injections/priors.yaml or in `prior_file`."""
    prior_file: Annotated[str | None, Placement()] = None
    """YAML with further prior sets, such as `lenscal calibrate-prior` writes."""
    source: Literal["sersic", "clumpy", "stamps"] = "sersic"
    """Light of the lensed galaxy: a smooth `sersic` profile, a `clumpy` one, or `stamps` of real galaxies."""
    size: int = Field(64, ge=21)
    """Side in pixels of the image that an injection is drawn into."""
    magnification: tuple[float, float] = (5.0, 30.0)
    """Sources magnified less or more than this are drawn again."""
    hosts_min: int = Field(30, ge=1)
    """Gate: distinct hosts in every populated cell."""
    host_populations: list[Literal["survey", "lens-like"]] = Field(["survey", "lens-like"], min_length=1)
    """Populations of hosts that completeness is told for: galaxies as the survey has them, and
    as known lenses have them.
    """
    lens_like_share: float = Field(0.6, gt=0, lt=1)
    """Share of the trials whose host is drawn as lens-like; the others are drawn evenly. Both count for both
    populations, by their densities.
    """
    lenses_min: int = Field(30, ge=5)
    """Fewer known lenses with colours and sizes tell no population of hosts: then there is `survey`
    alone, and a gate says so.
    """
    arc_flux_share: float = Field(0.3, ge=0, le=1)
    """Share of the arc's light that is taken to be in the catalogue's flux of a known lens, and is taken off
    before its host is compared.
    """
    inner_images: bool = True
    """Whether the faint images near the centre are drawn; false is an ablation."""
    shot_noise: bool = True
    """Whether the light of the arc brings its own Poisson noise."""
    gain: dict[str, Annotated[float, Field(gt=0)]] | None = None
    """Electrons per nanomaggy of the sum of exposures, by band; checked against the pixels. Null
    takes it from the pixels.
    """
    moffat_beta: float | None = Field(None, gt=1.1)
    """Wings of the Moffat PSF for hosts without a PSF image, with the core width that their PSFSIZE then has; null
    takes `cutouts.psf_beta`.
    """
    on_failure: Literal["count", "stop"] = "count"
    """A trial that cannot be made: `count` it and go on, or `stop` the run with its name."""
    keep_images: bool = False
    """Whether the pixels of injections are stored; else they are rendered again, to the same
    bytes, when they are needed.
    """
    source_stamps: Annotated[str | None, Placement()] = None
    """File of galaxy stamps, when source is `stamps`."""

    def content(self) -> dict:
        """See `Section.content`; runs that begin at trial 0 were finished before there was such a key, and stay so."""
        found = super().content()
        if not self.first_trial:
            del found["first_trial"]
        return found

    @property
    def more_priors(self) -> str:
        """Text of `prior_file`; empty without one."""
        return Path(self.prior_file).read_text(errors="replace") if self.prior_file else ""

    @property
    def allocated(self) -> str:
        """Text of `allocation`; empty without one."""
        return Path(self.allocation).read_text(errors="replace") if self.allocation else ""

    @field_validator("host_populations")
    @classmethod
    def _with_the_survey(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names) or "survey" not in names:
            raise InputError(f"holds {names}; expected survey, and lens-like once at most beside it")
        return names

    @field_validator("prior_file", "allocation")
    @classmethod
    def _readable(cls, path: str | None) -> str | None:
        if path is not None and not Path(path).is_file():
            raise InputError("names no file")
        return path

    @field_validator("gain")
    @classmethod
    def _every_band(cls, gain: dict[str, float] | None) -> dict[str, float] | None:
        if gain is not None and schema.bands_problem(sorted(gain, key=schema.OPTICAL.find)) is not None:
            raise InputError(f"names the bands {sorted(gain)}, not {', '.join(schema.BANDS)}")
        return gain
