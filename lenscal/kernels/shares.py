"""The weighted mean of shares that were counted in cells, and as how many trials of one share it counts."""

import numpy as np


def mean(weight, detected, injected, effect) -> tuple[np.ndarray, np.ndarray]:
    """Mean share of cells, and the number of trials whose binomial error is the error of that mean.

    A prior belongs to the number that is reported. One for each of many cells would pull each of them to one half in
    the same sense, while the error of their mean falls with the root of their number. So the mean is that of the plain
    shares, and it is given as the counts ``mean * trials`` of ``trials``, to which one prior is then put. The variance
    of a cell takes its share as ``(k + c) / (n + 1)`` of effective counts, so that cells with none or all detected have
    an error; c lies half way between one half and the mean over all: at one half alone the error is too large where
    completeness is small, at the mean too small.

    Parameters
    ----------
    weight, detected, injected, effect : (..., cell) arrays that broadcast
        Weights sum to more than 0; cells without trials count for nothing. `effect` is the design effect.

    Returns
    -------
    share, trials : (...) arrays
        In [0, 1] and above 0; NaN where no cell with weight has trials.
    """
    weight, k, n, effect = np.broadcast_arrays(*(np.asarray(x, float) for x in (weight, detected, injected, effect)))
    counted = (n > 0) & (weight > 0)
    n, effect, weight = np.where(counted, n, 1.0), np.where(counted, effect, 1.0), np.where(counted, weight, 0.0)
    k = np.where(counted, k, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = weight / weight.sum(-1, keepdims=True)
        share = np.clip((weight * k / n).sum(-1), 0, 1)
        trials = np.where(counted, n / effect, 0.0)
        alike = 1 / (weight**2 / np.where(counted, trials, 1)).sum(-1)  # trials, if all cells had one share
        typical = (share * alike + 1) / (alike + 2)
        own = (k / effect + (typical[..., None] + 0.5) / 2) / (n / effect + 1)
        variance = (weight**2 * own * (1 - own) * effect / n).sum(-1)
        least = (weight * 0.25 / (n / effect + 1)).sum(
            -1
        )  # what `own` is where nothing is detected: then all trials count
        inside = np.clip(share, least, 1 - least)
        return share, inside * (1 - inside) / variance
