"""Who made a difference: shares of several factors in the change from none of them to all, on plain arrays."""

from __future__ import annotations

from math import factorial

import numpy as np


def subsets(factors: int) -> np.ndarray:
    """All subsets of some factors, (2^k, k) bool; row i holds factor j when bit j of i is set. Row 0 is
    none of them, the last one all.
    """
    return (np.arange(1 << factors)[:, None] >> np.arange(factors) & 1).astype(bool)


def shares(outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapley shares of each factor in the change of a mean, and their standard errors.

    The share of a factor is the change it makes when it is added, averaged over all orders of adding (Shapley 1953, in
    Contributions to the Theory of Games II, 307): sum over subsets S without it of |S|! (k - |S| - 1)! / k! times [v(S
    and it) - v(S)]. The shares sum to v(all) - v(none). Each unit has shares of its own, whose mean is the share; the
    standard error is that of this mean, which is what leaving out one unit at a time (the jackknife) gives too.

    Parameters
    ----------
    outcomes : (2^k, n) array
        Of each unit with the factors of each subset, in the order of `subsets`.

    Returns
    -------
    share, error : (k,) arrays
        NaN without units; the error is NaN with fewer than two.
    """
    outcomes = np.asarray(outcomes, float)
    count, n = outcomes.shape
    k = max(count.bit_length() - 1, 0)
    if count < 1 or count != 1 << k:
        raise ValueError(
            f"Shapley shares: {count} rows of outcomes; expected a power of 2, one for each subset of the factors"
        )
    inside, number = subsets(k), np.arange(count)
    share, error = np.full(k, np.nan), np.full(k, np.nan)
    size = inside.sum(1)
    for j in range(k):
        without = number[~inside[:, j]]
        # k! times the shares: whole numbers where outcomes are, so that their sum is the change to the last digit.
        weight = np.array([factorial(s) * factorial(k - s - 1) for s in size[without]], float)
        own = weight @ (outcomes[without | 1 << j] - outcomes[without])
        if n:
            share[j] = own.sum() / (factorial(k) * n)
        if n > 1:
            error[j] = own.std(ddof=1) / (factorial(k) * np.sqrt(n))
    return share, error
