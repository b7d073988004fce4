"""How well k of n trials tell a share: posteriors and intervals of a binomial, also for effective counts."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv, ndtri, xlog1py, xlogy

PRIORS = {"jeffreys": 0.5, "uniform": 1.0}
"""Both shape parameters of the Beta prior, by name."""
KINDS = ("equal-tailed", "hpd", "wilson", "clopper-pearson")
_HALVINGS = 60  # of the tail in which the HPD interval is sought: below 2^-52 of it


def shapes(k, n, prior: str = "jeffreys") -> tuple[np.ndarray, np.ndarray]:
    """Shape parameters of the Beta posterior of a share.

    Parameters
    ----------
    k, n : arrays that broadcast
        Detections and trials; they need not be whole numbers (effective counts).
    prior : str
        A name in `PRIORS`.

    Returns
    -------
    a, b : arrays
        ``k + prior`` and ``n - k + prior``; NaN where n is 0.
    """
    if prior not in PRIORS:
        raise ValueError(f"the prior is {prior!r}, expected one of {', '.join(PRIORS)}")
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    k = np.where(n > 0, k, np.nan)
    return k + PRIORS[prior], n - k + PRIORS[prior]


def quantiles(k, n, probabilities, prior: str = "jeffreys") -> np.ndarray:
    """Plain quantiles of the Beta posterior.

    Parameters
    ----------
    k, n, prior
        As in `shapes`.
    probabilities : (q,) array
        In (0, 1).

    Returns
    -------
    (..., q) array
        NaN where n is 0.
    """
    a, b = shapes(k, n, prior)
    return betaincinv(a[..., None], b[..., None], np.asarray(probabilities, float))


def interval(k, n, level: float, prior: str = "jeffreys", kind: str = "equal-tailed") -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share.

    Parameters
    ----------
    k, n, prior
        As in `shapes`; `prior` matters to the posterior intervals only.
    level : float
        In (0, 1); 0.6827 for one sigma.
    kind : str
        ``equal-tailed`` or ``hpd`` (highest density) of the posterior; ``wilson`` (Wilson 1927) and ``clopper-pearson``
        (Clopper & Pearson 1934) are frequentist. Posterior intervals are one-sided, with the full level, at k = 0 and k
        = n: there the highest density lies at the end of the range, and two tails would leave it out. Effective counts
        between none and one (or all but one and all) go from one tail to two without a jump.

    Returns
    -------
    lower, upper : arrays
        NaN where n is 0.
    """
    if kind not in KINDS:
        raise ValueError(f"the interval is {kind!r}, expected one of {', '.join(KINDS)}")
    if not 0 < level < 1:
        raise ValueError(f"the level is {level}, expected a number between 0 and 1")
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    n = np.where(n > 0, n, np.nan)
    if kind == "wilson":
        return _wilson(k, n, level)
    if kind == "clopper-pearson":
        tail = (1 - level) / 2
        lower = np.where(k > 0, betaincinv(np.where(k > 0, k, 1), n - k + 1, tail), 0 * n)
        upper = np.where(k < n, betaincinv(k + 1, np.where(k < n, n - k, 1), 1 - tail), 1 + 0 * n)
        return lower, upper
    a, b = shapes(k, n, prior)
    below = _lower_tail(a, b, level) if kind == "hpd" else (1 - level) * _share_below(k, n)
    below = np.where(k == 0, 0.0, np.where(k == n, 1 - level, below))
    lower = np.where(below == 0, 0 * n, betaincinv(a, b, below))
    upper = np.where(k == n, 1 + 0 * n, betaincinv(a, b, np.minimum(below + level, 1)))
    return lower, upper


def above_order_statistic(k, n) -> tuple[np.ndarray, np.ndarray]:
    """Shape parameters of the share of a population that lies above the k-th highest of n of its members.

    k is chosen, not counted: the share is Beta(k, n + 1 - k) whatever the distribution (Wilks 1941, Ann. Math. Stat.
    12, 91). For k = 0, a value above all, it is at most as that above the highest.

    Parameters
    ----------
    k, n : arrays that broadcast
        Whole numbers, 0 <= k <= n; n above 0.
    """
    k, n = np.broadcast_arrays(np.asarray(k, float), np.asarray(n, float))
    rank = np.maximum(k, 1)
    return rank, n + 1 - rank


def rate_interval(k, n, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the share above a value that was set at the k-th highest of n.

    Parameters
    ----------
    k, n
        As in `above_order_statistic`.
    level : float
        In (0, 1).

    Returns
    -------
    lower, upper : arrays
        Equal-tailed; one-sided, from 0 and with the full level, at k = 0.
    """
    if not 0 < level < 1:
        raise ValueError(f"the level is {level}, expected a number between 0 and 1")
    a, b = above_order_statistic(k, n)
    none = np.broadcast_to(np.asarray(k) == 0, a.shape)
    lower = np.where(none, 0.0, betaincinv(a, b, (1 - level) / 2))
    return lower, betaincinv(a, b, np.where(none, level, (1 + level) / 2))


def _wilson(k, n, level):
    z = ndtri((1 + level) / 2)
    centre = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (n - k) / n + z**2 / 4)
    return np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)


def _share_below(k, n):
    """Share of the mass outside the interval that lies below it: none at k = 0, all at k = n, half from one
    detected and one missed on.
    """
    found, missed = np.minimum(k, 1), np.minimum(n - k, 1)
    return np.divide(found, found + missed, out=np.full(k.shape, 0.5), where=found + missed > 0)


def _lower_tail(a, b, level):
    """Posterior mass below the HPD interval: where the density is the same at both ends."""
    low, high = np.zeros(a.shape), np.full(a.shape, 1 - level)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(_HALVINGS):
            tail = (low + high) / 2
            rises = _log_density(a, b, tail) < _log_density(a, b, tail + level)  # move up to the denser side
            low, high = np.where(rises, tail, low), np.where(rises, high, tail)
    tail = (low + high) / 2
    tail = np.where(a <= 1, 0.0, np.where(b <= 1, 1 - level, tail))  # densest at an end
    return np.where((a <= 1) & (b <= 1), (1 - level) / 2, tail)  # flat, or densest at both ends: no single one


def _log_density(a, b, probability):
    x = betaincinv(a, b, probability)
    return xlogy(a - 1, x) + xlog1py(b - 1, -x)
