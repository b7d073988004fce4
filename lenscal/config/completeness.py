"""The section `completeness`."""

from __future__ import annotations

import itertools
from typing import Annotated, Literal

from pydantic import (
    Field,
    field_validator,
)

from lenscal import schema
from lenscal.config.section import Section
from lenscal.errors import InputError


def trial_columns() -> list[str]:
    """Columns that the table of trials may have (`found_missed`) and that can be an axis."""
    out = [*(f"cell_{dim}" for dim in schema.CELL), "score"]
    for name, variable in schema.INJECTIONS.variables.items():
        if set(variable.dims) == set(schema.TRIAL) and name not in ("galaxy_id", "injection_id", "failure"):
            out.append(name)
        elif set(variable.dims) == {*schema.TRIAL, "band"}:
            out += [f"{name}_{band}" for band in schema.OPTICAL]
    return out


class Completeness(Section):
    """Thresholds, posterior and sufficiency of the cube."""

    population: Literal["survey", "lens-like"] = "lens-like"
    """Population of hosts that is meant where one number is given; `survey` where there is no other."""
    false_positive_rates: list[Annotated[float, Field(gt=0, lt=1)]] = Field([0.01], min_length=1)
    """Share of the validation negatives that may pass; each rate sets a threshold, and the cube has all of them."""
    prior: Literal["jeffreys", "uniform"] = "jeffreys"
    """Prior of the binomial share; Jeffreys is Beta(1/2, 1/2)."""
    interval: Literal["equal-tailed", "hpd", "wilson", "clopper-pearson"] = "equal-tailed"
    """Kind of `lower` and `upper`; the first two are of the posterior."""
    trials_min: int = Field(200, ge=1)
    """A cell with fewer trials says "insufficient"."""
    hosts_min: int = Field(30, ge=1)
    """A cell whose trials lie on fewer distinct hosts says "insufficient"."""
    hosts_effective_min: float = Field(5, ge=1)
    """A cell with fewer effective hosts, which count by their weight in the population and by their
    trials, says "insufficient".
    """
    host_axes: list[Literal["host_type", "host_colour_gr"]] = ["host_type", "host_colour_gr"]
    """Properties of the hosts for which the cube is made again with them as an axis (completeness_by_<name>.zarr)."""
    axes: dict[str, list[float] | None] = {}
    """Columns of the trials (the table found-missed of a release), each with the edges of its bins or null for its
    classes: a further cube along theta_e and these (completeness_by_axes.zarr).
    """
    merge_below: int = Field(0, ge=0)
    """Neighbouring cells (along depth, or the last of `axes`) are put together until each theta_e has as many trials,
    in completeness_merged.zarr and completeness_by_axes.zarr, which record it; 0 merges nothing.
    """
    map_nside: int = Field(256, ge=1, le=2048)
    """Pixels of the map of completeness over the footprint: HEALPix nside, a power of two."""
    area_outside_max: float = Field(0.1, ge=0, le=1)
    """Gate: share of the observed area whose seeing and depth lie outside the grid."""

    @field_validator("axes")
    @classmethod
    def _columns_of_trials(cls, axes: dict[str, list[float] | None]) -> dict[str, list[float] | None]:
        """Refused before any work, not once the trials are scored."""
        known = trial_columns()
        for name, edges in axes.items():
            if name not in known:
                raise InputError(f"names '{name}', which is no column of the trials; they have {', '.join(known)}")
            if edges is not None and (len(edges) < 2 or any(b <= a for a, b in itertools.pairwise(edges))):
                raise InputError(f"gives '{name}' the edges {edges}; expected two or more that rise, or null")
        return axes

    @field_validator("map_nside")
    @classmethod
    def _power_of_two(cls, nside: int) -> int:
        if nside & (nside - 1):
            raise InputError(f"is {nside}; expected a power of two, such as 128 or 256")
        return nside
