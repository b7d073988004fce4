"""How well probabilities hold: bins of equal mass, calibration error, proper scores, and the risk that is left at each
coverage.
"""

import numpy as np

from lenscal.kernels import bootstrap

FLOOR = 1e-12  # of a probability under the logarithm


def equal_mass_bins(values, bins) -> np.ndarray:
    """Bin (n,) of each value, in bins of about as many rows; equal values share one, that of the middle of them.

    Parameters
    ----------
    values : (n,) array
        Finite.
    bins : int
        At most so many; fewer where values tie.
    """
    values = np.asarray(values)
    parts = np.array_split(np.arange(values.size), min(bins, max(values.size, 1)))
    number = np.repeat(np.arange(len(parts)), [part.size for part in parts])
    _, tie, count = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - count + (count - 1) // 2
    own = number[middle][tie]
    return np.unique(own, return_inverse=True)[1]


def at_prevalence(positive, prevalence, weights=None) -> np.ndarray:
    """Weights (..., n) that sum to 1 and give positives their share, whatever the sample's; those given count within
    each class.
    """
    positive = np.asarray(positive, bool)
    weights = np.ones(positive.size) if weights is None else np.asarray(weights, float)
    own = np.where(positive, weights, 0), np.where(positive, 0, weights)
    return prevalence * own[0] / own[0].sum(-1, keepdims=True) + (1 - prevalence) * own[1] / own[1].sum(
        -1, keepdims=True
    )


def bin_misses(probability, positive, bins, weights) -> np.ndarray:
    """Predicted less observed, summed in each bin with the weights: the expected calibration error is the sum of their
    absolute values.

    Parameters
    ----------
    probability : (n,) array
    positive : (n,) bool array
    bins : (n,) integer array
        From `equal_mass_bins`.
    weights : (..., n) array
        Summing to 1, as from `at_prevalence`.

    Returns
    -------
    (..., bin) array
    """
    miss = np.asarray(weights, float) * (np.asarray(probability, float) - np.asarray(positive, float))
    inside = np.asarray(bins)[:, None] == np.arange(int(np.max(bins)) + 1)
    return miss @ inside.astype(float)


def error_interval(misses, resampled, few, level) -> tuple[float, float, float]:
    """Expected calibration error of bins, and its interval from resampled bins.

    The sum of absolute values is too large by its noise, in the sample and once more in every resample, so that
    quantiles of resamples never reach a calibrated detector. What noise adds is at most the sum of its own absolute
    values: the lower end is the error less the quantile of sum |resampled - found|, widened as Student's t for a class
    of a few. The upper end is the quantile of the resampled errors. Both err to the safe side.

    Parameters
    ----------
    misses : (bin,) array
        From `bin_misses`.
    resampled : (draw, bin) array
        The same of resampled rows.
    few : int
        Members of the smaller class.
    level : float
        Of the interval, in (0, 1).

    Returns
    -------
    error, lower, upper : float
    """
    misses, resampled = np.asarray(misses, float), np.asarray(resampled, float)
    error, tail = float(np.abs(misses).sum()), (1 + level) / 2
    noise = np.quantile(np.abs(resampled - misses).sum(1), tail) * bootstrap.widening(few, level)
    return error, float(max(error - noise, 0)), float(max(np.quantile(np.abs(resampled).sum(1), tail), error))


def log_loss(probability, positive) -> np.ndarray:
    """Minus the logarithm (n,) of the probability that was given to what came; of 0 it is that of `FLOOR`."""
    given = np.where(np.asarray(positive, bool), probability, 1 - np.asarray(probability, float))
    return -np.log(np.maximum(given, FLOOR))


def brier(probability, positive) -> np.ndarray:
    """Squared distance (n,) of the probability from what came, 1 or 0 (Brier 1950, Monthly Weather Review 78, 1)."""
    return (np.asarray(probability, float) - np.asarray(positive, float)) ** 2


def risk_coverage(confidence, loss, weights) -> tuple[np.ndarray, np.ndarray]:
    """Mean loss of the most confident rows, and the share that they are (El-Yaniv & Wiener 2010, JMLR 11, 1605).

    Parameters
    ----------
    confidence, loss : (n,) arrays
        Rows of one confidence are taken together.
    weights : (..., n) array
        Summing to 1.

    Returns
    -------
    coverage, risk : (..., m) arrays
        At each confidence that occurs, from the highest down; coverage ends at 1.
    """
    confidence = np.asarray(confidence, float)
    order = np.argsort(-confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(confidence[order])), confidence.size - 1)
    weights = np.asarray(weights, float)[..., order]
    coverage = np.cumsum(weights, axis=-1)[..., ends]
    lost = np.cumsum(weights * np.asarray(loss, float)[order], axis=-1)[..., ends]
    return coverage, lost / np.maximum(coverage, np.finfo(float).tiny)


def risk_area(coverage, risk) -> np.ndarray:
    """Area (...) below a risk-coverage curve, by steps: 0 where nothing is lost, the whole loss where confidence says
    nothing.
    """
    return (np.diff(coverage, axis=-1, prepend=0) * risk).sum(-1)
