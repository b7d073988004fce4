"""Differences of two shares, of different trials and of the same ones, with Newcombe's intervals."""

from __future__ import annotations

import numpy as np

from lenscal.kernels import intervals


def independent_difference(k_1, n_1, k_2, n_2, level: float) -> tuple[float, float]:
    """Interval of k_2 / n_2 - k_1 / n_1 for shares of different trials.

    Square-and-add of the Wilson intervals (Newcombe 1998, Statistics in Medicine 17, 873, method 10); counts may be
    effective ones.

    Parameters
    ----------
    k_1, n_1, k_2, n_2 : float
        Hits and trials.
    level : float
        Such as 0.95.

    Returns
    -------
    lower, upper : float
        NaN where a sample is empty.
    """
    if not (n_1 > 0 and n_2 > 0):
        return np.nan, np.nan
    p_1, p_2 = k_1 / n_1, k_2 / n_2
    (l_1, u_1), (l_2, u_2) = (
        tuple(map(float, intervals.interval(k, n, level, kind="wilson"))) for k, n in ((k_1, n_1), (k_2, n_2))
    )
    change = p_2 - p_1
    return float(change - np.hypot(p_2 - l_2, u_1 - p_1)), float(change + np.hypot(u_2 - p_2, p_1 - l_1))


def paired_difference(both: int, lost: int, won: int, neither: int, level: float) -> tuple[float, float, float]:
    """Change of a share when the same trials are tried again, (won - lost) / n, and its interval.

    Square-and-add of both Wilson intervals with the correlation of the pairs (Newcombe 1998, Statistics in Medicine 17,
    2635, method 10, with the continuity correction of phi).

    Parameters
    ----------
    both, lost, won, neither : int
        Pairs found in both, in the first alone, in the second alone, in none.
    level : float
        Such as 0.95.

    Returns
    -------
    change, lower, upper : float
        NaN without pairs.
    """
    n = both + lost + won + neither
    if n == 0:
        return np.nan, np.nan, np.nan
    first, second = both + lost, both + won
    p_1, p_2 = first / n, second / n
    (l_1, u_1), (l_2, u_2) = (
        tuple(map(float, intervals.interval(k, n, level, kind="wilson"))) for k in (first, second)
    )
    margins = first * (n - first) * second * (n - second)
    cross = both * neither - lost * won
    if cross > 0:
        cross = max(cross - n / 2, 0)
    phi = cross / np.sqrt(margins) if margins > 0 else 0.0
    below = (p_2 - l_2) ** 2 - 2 * phi * (p_2 - l_2) * (u_1 - p_1) + (u_1 - p_1) ** 2
    above = (u_2 - p_2) ** 2 - 2 * phi * (u_2 - p_2) * (p_1 - l_1) + (p_1 - l_1) ** 2
    change = (won - lost) / n
    return change, float(change - np.sqrt(max(below, 0))), float(change + np.sqrt(max(above, 0)))
