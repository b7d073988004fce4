"""What trials drawn from one population say of another: the share found, with its error, an
effective number, or a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from lenscal.errors import InputError, LenscalError
from lenscal.kernels import draws, weighting

from .estimate import estimate
from .trial_tables import CONDITIONS, HOST, SOURCE

FEATURES = (*CONDITIONS, *SOURCE, *HOST)
"""What a trial and a lens are told by: conditions, lensed light and source, host. Units as in `schema.INJECTIONS`;
lensed light as observed.
"""
RANGE = 0.002  # quantile of the population beyond which a trial is too unlike it to be used
SUPPORT = 0.001  # quantile of the trials beyond which a system is outside of them
OUTSIDE_MAX = 0.1  # share of the systems that may lie outside in any one feature
N_EFF_MIN = 100.0
GROUPS = 16  # of hosts, left out in turn, behind every error


class SupportError(LenscalError, ValueError):
    """A population that the trials do not reach; the message names the feature at fault."""


@dataclass(frozen=True)
class Reweighted:
    """What the trials say of a population.

    Attributes
    ----------
    value : float
        Share found.
    deviation : float
        Its standard error from the trials (hosts are the units); not that of the population's own sampling.
    weights : (trial,) array
        Of the trials given, sum 1; 0 where a trial is not used.
    n_eff, used : float, int
        Kish's effective number of the weights, and the trials with a weight.
    chance : (system,) array
        Probability that each system is found; NaN with a log density.
    scatter : (group, system) array
        The same with each group of hosts left out; empty with a log density.
    plain, model : float
        The weighted share alone, and the mean of the model alone: `value` joins them.
    outside : dict of str to float
        Share of the systems beyond the trials, by feature.
    worst : tuple of str and float
        Feature whose weighted mean is farthest from the population's, and by how many of the trials' deviations.
    """

    value: float
    deviation: float
    weights: np.ndarray
    n_eff: float
    used: int
    chance: np.ndarray = field(repr=False)
    scatter: np.ndarray = field(repr=False)
    plain: float
    model: float
    outside: dict[str, float] = field(repr=False)
    worst: tuple[str, float]

    def share(self, rows: np.ndarray) -> tuple[float, float]:
        """Share found of some of the systems, and its standard error from the trials."""
        value = float(self.chance[rows].mean())
        left = self.scatter[:, rows].mean(1)
        return value, float(np.sqrt((len(left) - 1) / len(left) * np.square(left - left.mean()).sum()))


def reweight(
    trials: pd.DataFrame,
    population: pd.DataFrame | Callable[[pd.DataFrame], np.ndarray],
    found: np.ndarray,
    seed: int,
    features: Sequence[str] = FEATURES,
    host: str = "galaxy_id",
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

    Raises
    ------
    SupportError
        Systems beyond the trials (`OUTSIDE_MAX`), or too few trials left of their weights (`N_EFF_MIN`): the feature at
        fault is named.
    ValueError
        A missing column, or a feature that is not finite.
    """
    found = np.asarray(found, float)
    group = (draws.hashes(seed, "reweighting group", trials[host].to_numpy(np.int64)) % np.uint64(GROUPS)).astype(int)
    if callable(population):
        return _by_density(trials, population, found, trials[host].to_numpy())
    for what, table in (("trials", trials), ("population", population)):
        if missing := [name for name in features if name not in table]:
            raise InputError(f"reweight: the {what} lack {', '.join(missing)}")
        if bad := [name for name in features if not np.isfinite(table[name].to_numpy(float)).all()]:
            raise InputError(
                f"reweight: {bad[0]} of the {what} is not finite in "
                f"{int((~np.isfinite(table[bad[0]].to_numpy(float))).sum())} of {len(table)} rows; "
                "leave them out and count them"
            )
    outside = _outside(trials, population, features)
    name = max(outside, key=outside.get)
    if outside[name] > OUTSIDE_MAX:
        low, high = trials[name].quantile([SUPPORT, 1 - SUPPORT])
        raise SupportError(
            f"the population lies outside the trials: {100 * outside[name]:.0f} % of its systems have {name} "
            f"beyond {low:.3g} to {high:.3g}, where trials were drawn; draw trials there (another prior or grid), "
            "or ask for a population inside"
        )
    near = _near(trials, population, features)
    if near.sum() < N_EFF_MIN:
        raise SupportError(
            f"only {int(near.sum())} of {len(trials)} trials are like any system of the population; draw trials there "
            "(another prior or more hosts)"
        )
    return _doubly_robust(trials, population, found, near, group, features, outside)


def _by_density(
    trials: pd.DataFrame, density: Callable[[pd.DataFrame], np.ndarray], found: np.ndarray, cluster: np.ndarray
) -> Reweighted:
    if "log_density" not in trials:
        raise InputError(
            "reweight: the trials lack 'log_density', so a density of the population cannot be held "
            "against that they were drawn with"
        )
    wanted, drawn = np.asarray(density(trials), float), trials["log_density"].to_numpy(float)
    if np.isnan(wanted).any() or np.isposinf(wanted).any() or not np.isfinite(drawn).all():
        raise InputError(
            "reweight: a log density is NaN or infinite; expected finite numbers, or -inf of the "
            "population where it has nothing"
        )
    logs = wanted - drawn
    if not np.isfinite(logs).any():
        raise SupportError("the population has no density at any trial; draw trials there (another prior or grid)")
    weights = np.exp(logs - logs[np.isfinite(logs)].max())
    weights /= weights.sum()
    value, variance = weighting.share(found, weights, cluster)
    n_eff = weighting.effective_number(weights)
    if n_eff < N_EFF_MIN:
        raise SupportError(
            f"the trials are worth {n_eff:.0f} draws of this population, {N_EFF_MIN:.0f} needed: its density is "
            "concentrated where few trials were drawn"
        )
    empty = np.empty(0)
    return Reweighted(
        value,
        float(np.sqrt(variance)),
        weights,
        n_eff,
        int((weights > 0).sum()),
        empty,
        np.empty((0, 0)),
        value,
        float("nan"),
        {},
        ("", 0.0),
    )


def _outside(trials: pd.DataFrame, population: pd.DataFrame, features: Sequence[str]) -> dict[str, float]:
    ends = {name: trials[name].quantile([SUPPORT, 1 - SUPPORT]).to_numpy() for name in features}
    out = {}
    for name, (low, high) in ends.items():
        slack = 0.02 * (high - low) + 1e-9
        values = population[name].to_numpy(float)
        out[name] = float(((values < low - slack) | (values > high + slack)).mean())
    return out


def _near(trials: pd.DataFrame, population: pd.DataFrame, features: Sequence[str]) -> np.ndarray:
    """Trials inside the range of the population in every feature, with a margin."""
    near = np.ones(len(trials), bool)
    for name in features:
        low, high = population[name].quantile([RANGE, 1 - RANGE])
        margin = 0.05 * (high - low) + 0.02 * trials[name].std()
        near &= trials[name].between(low - margin, high + margin).to_numpy()
    return near


def _doubly_robust(
    trials: pd.DataFrame,
    population: pd.DataFrame,
    found: np.ndarray,
    near: np.ndarray,
    group: np.ndarray,
    features: Sequence[str],
    outside: dict[str, float],
) -> Reweighted:
    names = [
        *features,
        *(["log theta_e"] if "theta_e" in features else []),
    ]  # what is found rises steeply with theta_e, and levels off

    def columns(table: pd.DataFrame) -> np.ndarray:
        steep = [np.log(table["theta_e"])] if "theta_e" in features else []
        return np.column_stack([table[list(features)].to_numpy(float), *steep])

    centre, scale = columns(population).mean(0), columns(trials).std(0)
    scaled = lambda table: (columns(table) - centre) / np.where(scale > 0, scale, 1)  # noqa: E731
    inside, systems = scaled(trials)[near], scaled(population)
    said = estimate(inside, systems, found[near], group[near], GROUPS)
    weight = said.weight
    n_eff = weighting.effective_number(weight)
    apart = np.abs(weight @ inside - systems.mean(0))
    worst = names[int(apart.argmax())], float(apart.max())
    if n_eff < N_EFF_MIN:
        raise SupportError(
            f"the trials are worth {n_eff:.0f} draws of this population, {N_EFF_MIN:.0f} needed; {worst[0]} is "
            "farthest from it: draw trials there"
        )
    values = said.scatter.mean(1)
    deviation = float(np.sqrt((len(values) - 1) / len(values) * np.square(values - values.mean()).sum()))
    weights = np.zeros(len(trials))
    weights[near] = weight
    return Reweighted(
        said.value,
        deviation,
        weights,
        n_eff,
        int(near.sum()),
        said.chance,
        said.scatter,
        said.plain,
        said.model,
        outside,
        worst,
    )
