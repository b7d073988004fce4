"""Statistics of shares: the numbers of the audit for counts, scores and pairs of one's own; each checks what it is
given and asks a kernel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lenscal.arguments import finite, fraction, in_unit
from lenscal.errors import InputError
from lenscal.kernels import intervals, proportions, ranking, twosamples, weighting

LEVEL = 0.6827


def interval(
    k: ArrayLike, n: ArrayLike, level: float = LEVEL, prior: str = "jeffreys", kind: str = "equal-tailed"
) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share from k found of n trials.

    Parameters
    ----------
    k, n : arrays that broadcast
        Found and trials; they may be effective counts, which are no whole numbers.
    level : float
        Probability inside, 0.6827 by default (one sigma).
    prior : str
        ``jeffreys`` or ``uniform``; it matters to the first two kinds only.
    kind : str
        ``equal-tailed`` or ``hpd`` of the Beta posterior (Cameron 2011, PASA 28, 128), ``wilson`` (Wilson 1927, JASA
        22, 209) or ``clopper-pearson`` (Clopper & Pearson 1934, Biometrika 26, 404).

    Returns
    -------
    lower, upper : arrays
        NaN where n is 0.

    Raises
    ------
    ValueError
        More are found than were tried, a count is negative or not finite, or the level, prior or kind is none.
    """
    k, n = _counts("interval", k, n)
    return intervals.interval(k, n, fraction("interval: the level", level), prior, kind)


def share_quantiles(
    k: ArrayLike, n: ArrayLike, probabilities: ArrayLike = (0.15865, 0.5, 0.84135), prior: str = "jeffreys"
) -> np.ndarray:
    """Quantiles of the Beta posterior of a share.

    Parameters
    ----------
    k, n, prior
        As for `interval`.
    probabilities : (q,) array
        Between 0 and 1.

    Returns
    -------
    (..., q) array
        NaN where n is 0.

    Raises
    ------
    ValueError
        Counts as for `interval`; a probability outside of (0, 1).
    """
    k, n = _counts("share_quantiles", k, n)
    asked = np.atleast_1d(in_unit("share_quantiles: the probabilities", probabilities, "1"))
    if not ((asked > 0) & (asked < 1)).all():
        raise InputError(f"share_quantiles: the probabilities are {asked.tolist()}, expected numbers between 0 and 1")
    return intervals.quantiles(k, n, asked, prior)


def rate_interval(k: ArrayLike, n: ArrayLike, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Interval of the false-positive rate of a threshold that was set at the k-th highest of n negatives.

    k is chosen, not counted, so the share above is Beta(k, n + 1 - k) whatever the scores are (Wilks 1941, Ann. Math.
    Stat. 12, 91).

    Parameters
    ----------
    k, n : arrays that broadcast
        Whole numbers, n above 0.
    level : float

    Returns
    -------
    lower, upper : arrays
        One-sided at k = 0.

    Raises
    ------
    ValueError
        Counts as for `interval`, or no negative.
    """
    k, n = _counts("rate_interval", k, n)
    if (n == 0).any():
        raise InputError("rate_interval: n is 0, expected one negative or more; a threshold cannot be set without")
    return intervals.rate_interval(k, n, fraction("rate_interval: the level", level))


def auc(positives: ArrayLike, negatives: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Area under the ROC curve and its interval.

    The variance is that of DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44, 837) on the logit scale, with room for
    what few scores did not happen to hold.

    Parameters
    ----------
    positives, negatives : (m,), (n,) arrays
        Scores.
    level : float

    Returns
    -------
    value, lower, upper : float

    Raises
    ------
    ValueError
        A class is empty or has more than one dim, or a score is not finite.
    """
    given = [
        in_unit(f"auc: {what}", scores, "1") for what, scores in (("positives", positives), ("negatives", negatives))
    ]
    for what, scores in zip(("positives", "negatives"), given):
        if scores.ndim != 1 or not scores.size:
            raise InputError(f"auc: the {what} have shape {scores.shape}, expected (n,) with one score or more")
        finite(f"auc: a score of the {what}", scores)
    return ranking.auc(given[0], given[1], fraction("auc: the level", level))


def share_difference(k_1: float, n_1: float, k_2: float, n_2: float, level: float = 0.95) -> tuple[float, float, float]:
    """Second share less first, of different trials, and Newcombe's interval (1998, Statistics in
    Medicine 17, 873, method 10).

    Parameters
    ----------
    k_1, n_1, k_2, n_2 : float
        Found and trials of each sample.
    level : float

    Returns
    -------
    change, lower, upper : float

    Raises
    ------
    ValueError
        Counts as for `interval`, or a sample without a trial.
    """
    one, two = (_counts("share_difference", k, n) for k, n in ((k_1, n_1), (k_2, n_2)))
    if not (one[1].size == two[1].size == 1 and one[1] > 0 and two[1] > 0):
        raise InputError("share_difference: expected one count each, and one trial or more in both samples")
    (a, n), (b, m) = ((float(k), float(total)) for k, total in (one, two))
    return (
        b / m - a / n,
        *proportions.independent_difference(a, n, b, m, fraction("share_difference: the level", level)),
    )


def mcnemar(lost: int, won: int) -> tuple[float, float]:
    """Exact two-sided p of pairs that changed sides, and its mid-p (Fagerland et al. 2013, BMC Med. Res. Meth. 13, 91).

    Parameters
    ----------
    lost, won : int
        Trials found in the first arm alone, and in the second alone.

    Raises
    ------
    ValueError
        A count that is negative or no whole number.
    """
    for what, count in (("lost", lost), ("won", won)):
        if not (np.ndim(count) == 0 and float(count) >= 0 and float(count).is_integer()):
            raise InputError(f"mcnemar: {what} is {count!r}, expected a whole number of pairs")
    return twosamples.mcnemar(int(lost), int(won))


def effective_number(weights: ArrayLike) -> float:
    """Number of equal draws that tell as much as weighted ones, (sum w)^2 / sum w^2 (Kish 1965, Survey
    Sampling, section 11.7).

    Parameters
    ----------
    weights : (n,) array
        Of any scale.

    Raises
    ------
    ValueError
        A weight that is negative or not finite.
    """
    given = finite("effective_number: a weight", in_unit("effective_number: the weights", weights, "1"))
    if (given < 0).any():
        raise InputError(
            f"effective_number: {int((given < 0).sum())} of {given.size} weights are negative, expected 0 or more"
        )
    return weighting.effective_number(given.ravel())


def _counts(what: str, k: ArrayLike, n: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Found and trials as arrays that broadcast, once they can be both."""
    found, trials = (
        finite(f"{what}: {name}", in_unit(f"{what}: {name}", value, "1")) for name, value in (("k", k), ("n", n))
    )
    try:
        found, trials = np.broadcast_arrays(found, trials)
    except ValueError:
        raise InputError(f"{what}: k has shape {found.shape} and n {trials.shape}, which do not broadcast") from None
    if (found < 0).any() or (trials < 0).any():
        raise InputError(f"{what}: a count is negative ({min(found.min(), trials.min()):g}), expected 0 or more")
    if (found > trials).any():
        place = np.argmax(found > trials)
        raise InputError(f"{what}: {found.flat[place]:g} found of {trials.flat[place]:g} trials; expected k at most n")
    return found, trials
