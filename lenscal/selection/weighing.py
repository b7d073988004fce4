"""Trials weighed by the density of a population over the one that they were drawn with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from lenscal.arguments import in_unit
from lenscal.errors import InputError
from lenscal.kernels import stratified, weighting

from .said import Reweighted
from .support import SupportError, at_fault

N_EFF_MIN = 100.0
Density = Callable[[pd.DataFrame], np.ndarray]


def by_density(
    trials: pd.DataFrame,
    density: Density,
    found: np.ndarray,
    cluster: np.ndarray,
    n_eff_min: float = N_EFF_MIN,
    drawn: np.ndarray | None = None,
    strata: np.ndarray | None = None,
) -> Reweighted:
    """Share found under another density, of trials weighed by it over the one they were drawn with.

    Parameters
    ----------
    trials : DataFrame
    density : callable
        ln of it, up to a constant, at the trials.
    found : (trial,) array
        0 or 1.
    cluster : (trial,) array
        Host of each.
    n_eff_min : float
    drawn : (trial,) array, optional
        ln of the density that trials were drawn with; the column log_density by default.
    strata : (trial,) int array, optional
        Cell of each trial, where as many were set in each; what cells differ by is then no error.
    """
    weights = _ratios(trials, density, drawn)
    n_eff = weighting.effective_number(weights)
    if not n_eff >= n_eff_min:
        fault = at_fault(trials, weights)
        raise SupportError(
            f"the trials are worth {n_eff:.0f} draws of this population, {n_eff_min:.0f} needed: its density is "
            f"concentrated where few trials were drawn{', most of all in ' + fault if fault else ''}; draw trials there"
        )
    told = None
    host = pd.factorize(cluster)[0]
    if strata is None:
        value, variance = weighting.share(found, weights, cluster)
        freedom = weighting.freedom(weights, host) - 1
    else:
        told = stratified.share(found, np.ones(len(found)), weights, host, strata)
        k, n = stratified.counts(told, 0.6827)
        value, variance, freedom = told.value, max(k, 0.5) * max(n - k, 0.5) / n**3, told.freedom
    return Reweighted(
        *(value, float(np.sqrt(variance)), weights, n_eff, int((weights > 0).sum())),
        *(np.empty(0), np.empty((0, 0)), value, float("nan"), {}, ("", 0.0)),
        hosts=hosts_of(weights, cluster),
        freedom=freedom,
        told=told,
    )


def _ratios(trials: pd.DataFrame, density: Density, drawn: np.ndarray | None) -> np.ndarray:
    """Weights of sum 1: a density over the one that trials were drawn with."""
    if drawn is None:
        if "log_density" not in trials:
            raise InputError(
                "reweight: the trials lack 'log_density', so a density of the population cannot be held "
                "against that they were drawn with"
            )
        drawn = trials["log_density"].to_numpy(float)
    wanted = in_unit("reweight: the density", density(trials), "1")
    if wanted.shape != (len(trials),):
        raise InputError(
            f"reweight: the density gave an array of shape {wanted.shape}, expected one number for each of "
            f"{len(trials)} trials"
        )
    if np.isnan(wanted).any() or np.isposinf(wanted).any() or not np.isfinite(drawn).all():
        raise InputError(
            "reweight: a log density is NaN or infinite; expected finite numbers, or -inf of the "
            "population where it has nothing"
        )
    logs = wanted - drawn
    if not np.isfinite(logs).any():
        raise SupportError("the population has no density at any trial; draw trials there (another prior or grid)")
    weights = np.exp(logs - logs[np.isfinite(logs)].max())
    return weights / weights.sum()


def hosts_of(weights: np.ndarray, cluster: np.ndarray) -> float:
    return weighting.effective_number(np.bincount(pd.factorize(cluster)[0], weights))
