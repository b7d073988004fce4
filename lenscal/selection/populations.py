"""What the trials of a selection function say of a population: the share found, and how many would be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import binom

from lenscal.arguments import in_unit
from lenscal.errors import InputError

from . import reweighting
from .loop import predictive
from .reweighting import FEATURES, Density, Reweighted
from .trials import Cut, Trials
from .weighing import by_density

PARTS = ("condition", "theta_e", "host", "parameters")
"""Parts of the density of a run's trials."""


@dataclass(frozen=True)
class Prediction:
    """How many systems of a population would be found.

    Attributes
    ----------
    share, lower, upper : float
        Expected share found, and its interval with the errors of trials, hosts and threshold.
    number : float
        Expected number found; NaN where the size of the population is unknown.
    number_lower, number_upper : float
        Of the number that will be found: with the chance of each system besides.
    level : float
        Of the intervals.
    deviations : dict of str to float
        Standard errors of the share by cause: ``trials`` (and hosts), ``threshold`` (NaN where the negatives that set
        it are not known: the threshold is then taken as it is).
    n_eff : float
        Effective trials.
    reweighted : Reweighted
        What the trials say by themselves.
    """

    share: float
    lower: float
    upper: float
    number: float
    number_lower: float
    number_upper: float
    level: float
    deviations: dict[str, float]
    n_eff: float
    reweighted: Reweighted = field(repr=False)


def scored(trials: Trials | None) -> Trials:
    """The trials that have an outcome.

    Raises
    ------
    InputError
        There are none.
    """
    if trials is None:
        raise InputError(
            "reweight: the selection function has counts alone, no trials; make it of a run "
            "(from_run with its run file or stores) or of a table with one row a trial (from_table)"
        )
    good = np.isfinite(trials.found)
    if good.all():
        return trials
    part = lambda array: None if array is None else array[good]  # noqa: E731
    cut = None if trials.cut is None else replace(trials.cut, score=trials.cut.score[good])
    return replace(
        trials,
        table=trials.table[good].reset_index(drop=True),
        places={name: values[good] for name, values in trials.places.items()},
        found=trials.found[good],
        host=trials.host[good],
        id=part(trials.id),
        weight=part(trials.weight),
        cut=cut,
    )


def reweight(
    trials: Trials | None,
    edges: Mapping[str, np.ndarray],
    population: pd.DataFrame | Density,
    of: str | Sequence[str] | None,
    features: Sequence[str] | None,
    n_eff_min: float,
    seed: int,
) -> Reweighted:
    """As `SelectionFunction.reweight`."""
    own = scored(trials)
    return _asked(own, edges, population, of, features, n_eff_min, seed)(own.found)


def _asked(
    own: Trials,
    edges: Mapping[str, np.ndarray],
    population: pd.DataFrame | Density,
    of: str | Sequence[str] | None,
    features: Sequence[str] | None,
    n_eff_min: float,
    seed: int,
) -> Callable[[np.ndarray], Reweighted]:
    """What is said for given outcomes of the trials."""
    if callable(population):
        drawn = _drawn(own, of)
        strata = own.cells(edges)[0] if own.set_by_cell else None
        density = population if of is None else _with_hosts(population, own, of)
        return lambda found: by_density(own.table, density, found, own.host, n_eff_min, drawn, strata)
    if of is not None:
        raise InputError("reweight: `of` says what a density is of; systems in a table have none")
    if not isinstance(population, pd.DataFrame):
        raise InputError(
            f"reweight: the population is a {type(population).__name__}, expected a DataFrame of systems or a function "
            "that gives the log density at a table of trials"
        )
    names = list(features) if features is not None else _names(own, edges)
    table = own.table.assign(**{"host of the trial": own.host})
    return lambda found: reweighting.reweight(table, population, found, seed, names, "host of the trial", n_eff_min)


def _with_hosts(population: Density, own: Trials, of: str | Sequence[str]) -> Density:
    """A density of a part of what was drawn, on hosts as they are in the population of the selection function."""
    if own.weight is None or "host" in ([of] if isinstance(of, str) else of):
        return population
    with np.errstate(divide="ignore"):
        hosts = np.log(own.weight)
    return lambda table: in_unit("reweight: the density", population(table), "1") + hosts


def _names(own: Trials, edges: Mapping[str, np.ndarray]) -> list[str]:
    """Features of a run, else the axes."""
    if not own.set_by_cell:
        return list(edges)
    finite = [name for name in FEATURES if name in own.table and np.isfinite(own.table[name].to_numpy(float)).all()]
    return finite or list(edges)


def _drawn(own: Trials, of: str | Sequence[str] | None) -> np.ndarray:
    """ln of the density that the trials were drawn with, of all or of some parts."""
    if of is None:
        if own.density is None:
            raise InputError(
                "reweight: the trials lack the density that they were drawn with, so a density of the population "
                "cannot be held against it; name its column: from_table(..., density=...)"
            )
        drawn = own.table[own.density].to_numpy(float)
    else:
        parts = [of] if isinstance(of, str) else list(of)
        columns = [f"log_density_{part}" for part in parts]
        if not parts or (missing := [name for name in columns if name not in own.table]):
            raise InputError(
                f"reweight: of is {of!r}, and the trials have no {', '.join(missing) if parts else 'such part'}; "
                f"a run has {', '.join(PARTS)}"
            )
        drawn = own.table[columns].to_numpy(float).sum(1)
    if not np.isfinite(drawn).all():
        raise InputError(
            f"reweight: the density that {int((~np.isfinite(drawn)).sum())} of {drawn.size} trials were drawn with "
            "is 0, infinite or NaN; leave such trials out"
        )
    return drawn


def predict(
    trials: Trials | None,
    edges: Mapping[str, np.ndarray],
    population: pd.DataFrame | Density,
    size: float | None,
    level: float,
    options: Mapping[str, Any],
) -> Prediction:
    """As `SelectionFunction.predict`."""
    known = {"of": None, "features": None, "n_eff_min": reweighting.N_EFF_MIN, "seed": 0}
    if strange := set(options) - set(known):
        raise InputError(f"predict: there is no {', '.join(sorted(strange))}; expected {', '.join(known)}")
    number = float(len(population)) if isinstance(population, pd.DataFrame) else size
    if size is not None and (not np.isfinite(size) or size <= 0):
        raise InputError(f"predict: size is {size}, expected a number of systems above 0")
    number = float(size) if size is not None else (np.nan if number is None else number)
    own = scored(trials)
    ask = _asked(own, edges, population, **(known | dict(options)))
    said = ask(own.found)
    below, above = _by_threshold(own.cut, ask, said.value, level)
    z = float(ndtri((1 + level) / 2))
    low, high = said.interval(level)
    lower = max(0.0, said.value - np.hypot(said.value - low, np.nan_to_num(below)))
    upper = min(1.0, said.value + np.hypot(high - said.value, np.nan_to_num(above)))
    few, many = _numbers(said.value, ((said.value - lower) / z) ** 2, ((upper - said.value) / z) ** 2, number, level)
    if np.isnan(low):
        lower = upper = few = many = float("nan")
    return Prediction(
        *(said.value, float(lower), float(upper), said.value * number, few, many, level),
        deviations={"trials": said.deviation, "threshold": float(np.mean([below, above])) / z},
        n_eff=said.n_eff,
        reweighted=said,
    )


def _numbers(value: float, low: float, high: float, number: float, level: float) -> tuple[float, float]:
    if not np.isfinite(number):
        return float("nan"), float("nan")
    whole = max(round(number), 1)
    ends = predictive(value, low, high, whole, level)
    return ends[0] * whole, ends[1] * whole


def _by_threshold(
    cut: Cut | None, ask: Callable[[np.ndarray], Reweighted], value: float, level: float
) -> tuple[float, float]:
    """How far the share lies below and above at the thresholds between which the one with the stated rate lies: as
    many negatives lie above it as a binomial of that rate says.
    """
    if cut is None or not cut.negatives.size:
        return float("nan"), float("nan")
    falling = np.sort(cut.negatives)[::-1]
    ranks = binom(falling.size, cut.rate).ppf([(1 - level) / 2, (1 + level) / 2])
    ends = falling[np.clip(ranks.astype(int) - 1, 0, falling.size - 1)]
    shares = [ask((cut.score >= end).astype(float)).value for end in ends]
    return max(0.0, value - min(shares)), max(0.0, max(shares) - value)
