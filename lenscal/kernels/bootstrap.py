"""Ends of an interval from a statistic of resampled rows."""

import numpy as np
from scipy.special import ndtri, stdtrit


def widening(few, level) -> float:
    """How much wider an interval from resamples has to be for a sample of a few: the bias of their scatter, and
    Student's t over the normal.
    """
    few = max(int(few), 2)
    tail = (1 + level) / 2
    return float(np.sqrt(few / (few - 1)) * stdtrit(few - 1, tail) / ndtri(tail))


def ends(value, resampled, few, level) -> tuple[float, float]:
    """Quantiles of resampled values, their distances from the value widened for a class of `few` members.

    Parameters
    ----------
    value : float
        Of the sample itself.
    resampled : (draw,) array
        NaN counts as not drawn.
    few : int
        Members of the smaller class.
    level : float
        In (0, 1).

    Returns
    -------
    lower, upper : float
        NaN without draws.
    """
    resampled = np.asarray(resampled, float)
    resampled = resampled[~np.isnan(resampled)]
    if not resampled.size or np.isnan(value):
        return np.nan, np.nan
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    wider = widening(few, level)
    return float(value - wider * max(value - low, 0)), float(value + wider * max(high - value, 0))
