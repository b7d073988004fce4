"""What the statistical interval leaves out: systematic errors by name, and the interval with all of them in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import expit, logit, ndtri

from lenscal import config, schema
from lenscal.completeness.counts import SURVEY
from lenscal.completeness.posterior import posterior

LENS_LIKE = "lens-like"
POPULATION = "host population"
KINDS = {"morphology": "source morphology", "prior": "source prior", "moffat": "PSF profile"}
"""Causes of systematic errors, by the kind of change that realism calls them."""


def shift(before: float, after: float, pairs: int) -> float:
    """Change of completeness on the logit scale, half a trial added to both outcomes of both, so
    that none and all have one.

    Parameters
    ----------
    before, after : float
        Shares found of the same trials.
    pairs : int
        Trials.
    """
    return float(np.diff(logit([(share * pairs + 0.5) / (pairs + 1) for share in (before, after)]))[0])


def brackets(
    counts: xr.Dataset, hosts: pd.DataFrame, changes: pd.DataFrame, settings: config.Completeness
) -> dict[str, dict[str, list[float]]]:
    """Shifts of the logit by population and cause, as `budget` takes them.

    What the run file's brackets of sources, priors and PSF profiles change is the same in every population of hosts.
    The population itself is open, too: the lens-like one by how much of the arcs' light is in the catalogue's fluxes of
    known lenses (none, all), and the survey's by what lens-like hosts change, as far as it is meant for lenses.

    Parameters
    ----------
    counts : Dataset
        As from `count`.
    hosts : DataFrame
        galaxy_id, density_drawn, and density_lens_like_arc_none and density_lens_like_arc_all where there is a
        lens-like population.
    changes : DataFrame
        From `realism.changes`: kind, base, changed, pairs, why_not.
    settings : config.Completeness
    """
    done = changes[changes["why_not"].eq("") & (changes["pairs"] > 0)] if len(changes) else changes
    common = {}
    for kind, cause in KINDS.items():
        found = [
            shift(row["base"], row["changed"], int(row["pairs"]))
            for row in done.to_dict("records")
            if row["kind"] == kind
        ]
        if found:
            common[cause] = found
    out = {str(name): dict(common) for name in counts["population"].values}
    if LENS_LIKE in out:
        own = {str(name): _mean(counts, settings, str(name)) for name in out}
        out[SURVEY][POPULATION] = [own[LENS_LIKE] - own[SURVEY]]
        alternatives = [name for name in hosts.columns if name.startswith("density_lens_like_arc_")]
        table = hosts.set_index("galaxy_id").loc[counts["host_id"].values]
        place = counts["population"].values.tolist().index(LENS_LIKE)
        moves = []
        for name in alternatives:
            weight = counts["host_weight"].transpose("population", "host").values.copy()
            weight[place] = np.nan_to_num(table[name].to_numpy(float) / table["density_drawn"].to_numpy(float))
            moves.append(
                _mean(counts.assign(host_weight=(("population", "host"), weight)), settings, LENS_LIKE) - own[LENS_LIKE]
            )
        out[LENS_LIKE][POPULATION] = moves
    return out


def _mean(counts: xr.Dataset, settings: config.Completeness, population: str) -> float:
    """Logit of the mean share detected over the cells, at the first threshold."""
    share = posterior(counts, settings, population)["fraction_detected"].isel(threshold=0).values
    return float(logit(np.clip(np.nanmean(share), 1e-3, 1 - 1e-3))) if np.isfinite(share).any() else 0.0


def budget(cube: xr.Dataset, shifts: Mapping[str, Mapping[str, Sequence[float]]]) -> xr.Dataset:
    """The cube with `systematic_lower`, `systematic_upper` by cause, and the interval `total_lower`, `total_upper`.

    A cause is a bracket of alternatives, each of which moves the logit of completeness by so much in every cell (a
    smaller step where completeness is near 0 or 1). Its errors are the farthest of them downward and upward: one-sigma
    errors, added in quadrature to the distance between the median and the end of the statistical interval, and scaled
    by z for wider levels. An interval that is one-sided keeps its open end.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`, of one population or along `population`.
    shifts : mapping
        From population to cause to the shifts of its alternatives (see `shift`); a cause without any alternative is not
        judged and is left out.

    Returns
    -------
    Dataset
        The cube with these variables and the coordinate `cause`; without an estimate all of them are NaN.
    """
    if "population" not in cube["completeness"].dims:
        return _one(cube, shifts.get(str(cube.attrs.get("population", "survey")), {}), _causes(shifts))
    parts = [
        _one(cube.sel(population=name, drop=True), shifts.get(str(name), {}), _causes(shifts))
        for name in cube["population"].values
    ]
    made = ["systematic_lower", "systematic_upper", "total_lower", "total_upper"]
    return schema.COMPLETENESS.describe(
        cube.merge(xr.concat([part[made] for part in parts], cube["population"].variable), combine_attrs="override")
    )


def _causes(shifts: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    return list(dict.fromkeys(cause for brackets in shifts.values() for cause, found in brackets.items() if len(found)))


def _one(cube: xr.Dataset, brackets: Mapping[str, Sequence[float]], causes: Sequence[str]) -> xr.Dataset:
    cell = (*schema.CELL, "threshold")
    middle = cube["completeness"].sel(quantile=0.5, method="nearest").transpose(*cell).values
    inside = np.clip(middle, 1e-9, 1 - 1e-9)
    lower, upper = np.zeros((*middle.shape, len(causes))), np.zeros((*middle.shape, len(causes)))
    for i, cause in enumerate(causes):
        moves = [0.0, *brackets.get(cause, ())]
        lower[..., i] = inside - expit(logit(inside) + min(moves))
        upper[..., i] = expit(logit(inside) + max(moves)) - inside
    lower, upper = (np.where(np.isfinite(middle)[..., None], part, np.nan) for part in (lower, upper))
    z = ndtri((1 + cube["level"].values) / 2)
    ends = {}
    for name, sign, part in (("lower", -1, lower), ("upper", 1, upper)):
        end = cube[name].transpose(*cell, "level").values
        apart = np.maximum(sign * (end - middle[..., None]), 0)
        wide = np.sqrt(apart**2 + np.square(part).sum(-1)[..., None] * (z / z[0]) ** 2)
        ends[f"total_{name}"] = (*cell, "level"), np.clip(middle[..., None] + sign * wide, 0, 1)
    out = cube.assign_coords(cause=("cause", np.array(causes, np.dtypes.StringDType())))
    out = out.assign(systematic_lower=((*cell, "cause"), lower), systematic_upper=((*cell, "cause"), upper), **ends)
    return schema.COMPLETENESS.describe(out)
