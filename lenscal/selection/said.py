"""What trials say of a population, with its interval."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lenscal.errors import InputError
from lenscal.kernels import intervals, recovery, stratified

from .ends import share_interval


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
    hosts : float
        Kish's effective number of the hosts of the weights.
    freedom : float
        Of the standard error: hosts less one, or the groups of them that were left out less one.
    told : stratified.Share or None
        Of trials that were set cell by cell, what tells the error.
    """

    value: float
    deviation: float
    weights: np.ndarray = field(repr=False)
    n_eff: float
    used: int
    chance: np.ndarray = field(repr=False)
    scatter: np.ndarray = field(repr=False)
    plain: float
    model: float
    outside: dict[str, float] = field(repr=False)
    worst: tuple[str, float]
    hosts: float = float("nan")
    freedom: float = float("nan")
    told: stratified.Share | None = field(default=None, repr=False)

    def share(self, rows: np.ndarray) -> tuple[float, float]:
        """Share found of some of the systems, and its standard error from the trials."""
        value = float(self.chance[rows].mean())
        left = self.scatter[:, rows].mean(1)
        return value, float(np.sqrt((len(left) - 1) / len(left) * np.square(left - left.mean()).sum()))

    def interval(self, level: float = 0.6827) -> tuple[float, float]:
        """Interval of the share found, from the trials alone.

        Of as many trials of one share as have its error (`ends.counts_of`), Jeffreys' posterior.

        Parameters
        ----------
        level : float
            In (0, 1).

        Returns
        -------
        lower, upper : float
            NaN where the weight lies on the equivalent of too few hosts (`recovery.FREEDOM_MIN_LONE`) to tell how
            alike their trials are.
        """
        if not 0 < level < 1:
            raise InputError(f"reweight: the level is {level}, expected a number between 0 and 1")
        if self.told is not None:
            if not self.hosts >= recovery.FREEDOM_MIN_LONE:
                return float("nan"), float("nan")
            low, high = intervals.interval(*stratified.counts(self.told, level), level)
            return float(low), float(high)
        return share_interval(self.value, self.deviation**2, self.n_eff, self.hosts, self.freedom, level)
