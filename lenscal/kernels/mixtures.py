"""The mean share of many mixtures of the same cells at once: pixels of a sky, each with its own seeing and depth."""

from __future__ import annotations

import numpy as np
from scipy import sparse

LEAST = 0.1
"""Of the variance of a mean over rows, in units of that of rows without hosts in common."""


def mean(weight: sparse.csr_array, share_of, detected, injected, effect) -> tuple[np.ndarray, np.ndarray]:
    """Mean share of each mixture, and the number of trials whose binomial error is the error of that mean.

    The same numbers as `shares.mean` gives for the weights ``weight[m, c] * share_of[t, o]`` of the cells (t, c). Its
    variance is a polynomial in the share that stands for cells with none or all detected, so that a few products of
    matrices serve all mixtures.

    Parameters
    ----------
    weight : (mixture, column) sparse array
        Not negative.
    share_of : (row, out) array
        Weights of the rows in each mean, such as 1 for one row.
    detected, injected, effect : (row, column) arrays
        As for `shares.mean`.

    Returns
    -------
    share, trials : (mixture, out) arrays
        NaN where no cell with weight has trials.
    """
    k, n, effect = (np.asarray(x, float) for x in (detected, injected, effect))
    counted = (n > 0) & np.isfinite(effect)
    n, effect, k = np.where(counted, n, 1.0), np.where(counted, effect, 1.0), np.where(counted, k, 0.0)
    u = np.asarray(share_of, float)
    per_trial = effect / n
    low, slope = (k / effect) / (n / effect + 1), 1 / (n / effect + 1)  # a cell's own share: low + slope t
    once = lambda values: weight @ (np.where(counted, values, 0.0).T @ u)  # noqa: E731
    squared = weight.multiply(weight).tocsr()
    twice = lambda values: squared @ (np.where(counted, values * per_trial, 0.0).T @ u**2)  # noqa: E731
    with np.errstate(divide="ignore", invalid="ignore"):
        total = once(np.ones_like(n))
        total = np.where(total > 0, total, np.nan)
        share = np.clip(once(k / n) / total, 0, 1)
        alike = total**2 / twice(np.ones_like(n))
        t = ((share * alike + 1) / (alike + 2) + 0.5) / 2
        variance = twice(low * (1 - low)) + t * twice(slope * (1 - 2 * low)) - t**2 * twice(slope**2)
        least = once(0.25 * slope) / total
        inside = np.clip(share, least, 1 - least)
        return share, inside * (1 - inside) * total**2 / variance


def excess(share_of, weight, detected, injected, effect) -> np.ndarray:
    """How much larger the variance of a mean over rows is than that of rows without hosts in common.

    Rows (Einstein radii) of a column share hosts. What comes back is the scatter of the hosts' weighted residuals about
    the shares of their column, over the sum of the variances of its rows, pooled over all columns. Each host is
    left out of the share that its own residual is about. At least `LEAST`.

    Parameters
    ----------
    share_of : (row, out) array
    weight : sequence of (host,) arrays
        Of the hosts of each column.
    detected, injected : sequences of (row, host) arrays
    effect : (row, column) array
        Design effects.

    Returns
    -------
    (out,) array
    """
    u = np.asarray(share_of, float)
    found, expected = np.zeros(u.shape[1]), np.zeros(u.shape[1])
    for column, (w, k, n) in enumerate(zip(weight, detected, injected)):
        trials = (n * w).sum(-1)
        counted = trials > 0
        if (n.sum(0) > 0).sum() < 2 or not counted.any():
            continue
        safe = np.where(counted, trials, 1.0)
        share = np.where(counted, (k * w).sum(-1) / safe, 0.0)
        own = np.minimum(n * w / safe[:, None], 0.9)
        residual = (k - n * share[:, None]) * w / safe[:, None] / (1 - own)  # as if its host had not told the share
        found += np.square(residual.T @ u).sum(0)
        least = np.maximum(n.sum(-1), 1) / np.where(counted, effect[:, column], 1.0)  # effective trials
        middle = ((u * counted[:, None] * share[:, None]).sum(0) / (u * counted[:, None]).sum(0) + 0.5) / 2
        shrunk = (least[:, None] * share[:, None] + middle) / (least[:, None] + 1)  # as in `mean`
        expected += (u**2 * (shrunk * (1 - shrunk) / least[:, None]) * counted[:, None]).sum(0)
    return np.maximum(np.divide(found, expected, out=np.ones_like(found), where=expected > 0), LEAST)
