"""Weighted samples: how many equal draws they are worth, and a weighted share with the error of its clusters."""

from __future__ import annotations

import numpy as np


def effective_number(weights: np.ndarray) -> float:
    """Number of equal draws that tell as much as these weighted ones, (sum w)^2 / sum w^2 (Kish 1965, Survey
    Sampling, section 11.7).

    Parameters
    ----------
    weights : (n,) array
        Not negative; their scale does not matter.

    Returns
    -------
    float
        From 0 (no weight at all) to n (equal weights).
    """
    weights = np.asarray(weights, float)
    total = weights.sum()
    return float(total**2 / np.square(weights).sum()) if total > 0 else 0.0


def share(values: np.ndarray, weights: np.ndarray, cluster: np.ndarray) -> tuple[float, float]:
    """Weighted mean of values and its variance, clusters as units.

    The variance is that of a ratio estimator, linearised, with the correction C / (C - 1) for C clusters that carry
    weight (Cochran 1977, Sampling Techniques, section 6.3): trials in one host may be alike, hosts are independent.

    Parameters
    ----------
    values, weights : (n,) arrays
        Weights not negative.
    cluster : (n,) array
        Of each draw, such as its host; anything that sorts.

    Returns
    -------
    value, variance : float
        NaN without any weight; the variance is NaN with one cluster.
    """
    values, weights = np.asarray(values, float), np.asarray(weights, float)
    total = weights.sum()
    if not total > 0:
        return np.nan, np.nan
    value = float((weights * values).sum() / total)
    _, place = np.unique(np.asarray(cluster)[weights > 0], return_inverse=True)
    left = np.bincount(place, (weights * (values - value))[weights > 0])
    count = left.size
    if count < 2:
        return value, np.nan
    return value, float(np.square(left).sum() / total**2 * count / (count - 1))


def effective_trials(trials: np.ndarray, weights: np.ndarray, rho: np.ndarray | float) -> np.ndarray:
    """Number of independent, equal trials that tell as much as weighted ones on shared hosts.

    The variance of the weighted share sum w k / sum w n, over p (1 - p), is sum w^2 n (1 + (n - 1) rho) / (sum w n)^2
    when trials on one host have the intra-host correlation rho; the number is its inverse. With equal weights it is n
    over the design effect.

    Parameters
    ----------
    trials : (..., host) array
        Of each host.
    weights : (host,) array
        Of each trial of the host.
    rho : array that broadcasts with (...)

    Returns
    -------
    (...) array
        0 where no trial has weight.
    """
    trials, weights = np.asarray(trials, float), np.asarray(weights, float)
    total = (weights * trials).sum(-1)
    spread = (np.square(weights) * trials * (1 + np.maximum(trials - 1, 0) * np.asarray(rho)[..., None])).sum(-1)
    return np.divide(total**2, spread, out=np.zeros(np.broadcast_shapes(total.shape, spread.shape)), where=spread > 0)


def freedom(weights: np.ndarray, cluster: np.ndarray) -> float:
    """Degrees of freedom of a variance between clusters (Satterthwaite 1946, Biometrics 2, 110), when that of each is
    as the square of its weight: (sum m^2)^2 / sum m^4.

    Parameters
    ----------
    weights, cluster : (n,) arrays
        As in `share`.
    """
    _, place = np.unique(np.asarray(cluster), return_inverse=True)
    return effective_number(np.bincount(place, weights) ** 2)
