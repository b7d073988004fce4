"""What trials drawn from one population say of another: the share found, with its error, an
effective number, or a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lenscal.arguments import in_unit
from lenscal.errors import InputError
from lenscal.kernels import draws, weighting

from .estimate import estimate
from .said import Reweighted
from .support import SupportError, near, outside
from .trial_tables import CONDITIONS, HOST, SOURCE
from .weighing import N_EFF_MIN, Density, by_density, hosts_of

FEATURES = (*CONDITIONS, *SOURCE, *HOST)
"""What a trial and a lens are told by: conditions, lensed light and source, host. Units as in `schema.INJECTIONS`;
lensed light as observed.
"""
GROUPS = 16  # of hosts, left out in turn, behind every error

__all__ = ["FEATURES", "GROUPS", "N_EFF_MIN", "Density", "Reweighted", "SupportError", "reweight"]


def reweight(
    trials: pd.DataFrame,
    population: pd.DataFrame | Density,
    found: np.ndarray,
    seed: int,
    features: Sequence[str] = FEATURES,
    host: str = "galaxy_id",
    n_eff_min: float = N_EFF_MIN,
) -> Reweighted:
    """Share found of another population, from trials alone.

    With a log density, trials are weighed by it over the density that they were drawn with. With a table of systems
    there is no density on either side: trials inside the range of the systems are weighed so that the means of all
    features agree (`balance.entropy_weights`), a logistic regression on the features, their products and log theta_e
    tells what is found of systems like each, and the weighted residuals of the trials correct its mean (doubly robust:
    Robins, Rotnitzky & Zhao 1994, JASA 89, 846). Either is right where the other is not.

    Parameters
    ----------
    trials : DataFrame
        As from `table_of`; with a log density, `log_density` (natural, of all that the density is of).
    population : DataFrame or callable
        Systems with the columns `features`; or a function that gives ln of the density (up to a constant) at the
        trials.
    found : (trial,) bool array
    seed : int
        Of the run: it deals hosts into groups.
    features : sequence of str
    host : str
        Column with the unit of the errors.
    n_eff_min : float
        Effective trials below which there is no answer.

    Raises
    ------
    SupportError
        Systems beyond the trials (`support.OUTSIDE_MAX`), or too few trials left of their weights (`n_eff_min`): the
        feature at fault is named.
    ValueError
        A missing column, a feature that is not finite, an outcome that is neither found nor missed.
    """
    found = in_unit("reweight: the outcomes", found, "1")
    if found.shape != (len(trials),) or not np.isin(found, (0, 1)).all():
        raise InputError(
            f"reweight: there are {found.size} outcomes for {len(trials)} trials, or some are neither found (1) nor "
            "missed (0); leave out trials without a score"
        )
    if callable(population):
        return by_density(trials, population, found, trials[host].to_numpy(), n_eff_min)
    for what, table in (("trials", trials), ("population", population)):
        if missing := [name for name in features if name not in table]:
            raise InputError(f"reweight: the {what} lack {', '.join(missing)}")
        if not len(table):
            raise InputError(f"reweight: the {what} have no row")
        if bad := [name for name in features if not np.isfinite(table[name].to_numpy(float)).all()]:
            raise InputError(
                f"reweight: {bad[0]} of the {what} is not finite in "
                f"{int((~np.isfinite(table[bad[0]].to_numpy(float))).sum())} of {len(table)} rows; "
                "leave them out and count them"
            )
        if "theta_e" in features and (low := int((table["theta_e"].to_numpy(float) <= 0).sum())):
            raise InputError(f"reweight: theta_e of the {what} is not above 0 in {low} of {len(table)} rows")
    group = (draws.hashes(seed, "reweighting group", _codes(trials[host])) % np.uint64(GROUPS)).astype(int)
    return _doubly_robust(trials, population, found, group, features, trials[host].to_numpy(), n_eff_min)


def _codes(hosts: pd.Series) -> np.ndarray:
    """Hosts as numbers: their own where they are, else in the order of their names."""
    return hosts.to_numpy(np.int64) if hosts.dtype.kind in "iu" else pd.factorize(hosts, sort=True)[0].astype(np.int64)


def _doubly_robust(
    trials: pd.DataFrame,
    population: pd.DataFrame,
    found: np.ndarray,
    group: np.ndarray,
    features: Sequence[str],
    cluster: np.ndarray,
    n_eff_min: float,
) -> Reweighted:
    beyond = outside(trials, population, features)
    inside = near(trials, population, features, n_eff_min)
    steep = "theta_e" in features  # what is found rises steeply with theta_e, and levels off
    names = [*features, *(["log theta_e"] if steep else [])]

    def columns(table: pd.DataFrame) -> np.ndarray:
        rising = [np.log(table["theta_e"])] if steep else []
        return np.column_stack([table[list(features)].to_numpy(float), *rising])

    centre, scale = columns(population).mean(0), columns(trials).std(0)
    scaled = lambda table: (columns(table) - centre) / np.where(scale > 0, scale, 1)  # noqa: E731
    sample, systems = scaled(trials)[inside], scaled(population)
    said = estimate(sample, systems, found[inside], group[inside], GROUPS)
    n_eff = weighting.effective_number(said.weight)
    apart = np.abs(said.weight @ sample - systems.mean(0))
    worst = names[int(apart.argmax())], float(apart.max())
    if not n_eff >= n_eff_min:
        raise SupportError(
            f"the trials are worth {n_eff:.0f} draws of this population, {n_eff_min:.0f} needed; {worst[0]} is "
            "farthest from it: draw trials there"
        )
    values = said.scatter.mean(1)
    deviation = float(np.sqrt((len(values) - 1) / len(values) * np.square(values - values.mean()).sum()))
    weights = np.zeros(len(trials))
    weights[inside] = said.weight
    return Reweighted(
        *(said.value, deviation, weights, n_eff, int(inside.sum()), said.chance, said.scatter, said.plain, said.model),
        outside=beyond,
        worst=worst,
        hosts=hosts_of(said.weight, cluster[inside]),
        freedom=len(values) - 1.0,
    )
