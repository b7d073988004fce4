"""How often a member of one class scores above one of the other, and how well a sample tells it."""

import numpy as np
from scipy.special import expit, logit, ndtri
from scipy.stats import rankdata

PSEUDO = 0.5
"""Members added to the smaller class, at the median of the other: an error that the sample did not happen to hold."""


def auc(positives, negatives, level: float = 0.95) -> tuple[float, float, float]:
    """Area under the ROC curve, equal scores counting one half, and its interval.

    The variance is that of DeLong, DeLong & Clarke-Pearson (1988, Biometrics 44, 837), on the logit scale. Two things
    are added, without which it is the scatter of a dozen placements that happen to be alike: `PSEUDO` members of the
    smaller class at the median of the other (as Agresti & Coull 1998 add failures), and, for scores that tie, the exact
    variance of the order that chance would give them (Mann & Whitney 1947), so that a constant detector has the width
    of one that knows nothing. Where nothing is out of order the open end is the exact binomial bound for no failure in
    as many trials as the smaller class has members.

    Parameters
    ----------
    positives, negatives : (m,), (n,) arrays
        Scores, finite.
    level : float
        Of the interval, in (0, 1).

    Returns
    -------
    value, lower, upper : float
        NaN where a class is empty.
    """
    positives, negatives = np.asarray(positives, float), np.asarray(negatives, float)
    m, n = positives.size, negatives.size
    if not m or not n:
        return np.nan, np.nan, np.nan
    above, below = placements(positives, negatives)
    value = float(above.mean())
    if value < 0.5:
        value, lower, upper = auc(-positives, -negatives, level)
        return 1 - value, 1 - upper, 1 - lower
    exact = ((1 - level) / 2) ** (1 / min(m, n))
    if value == 1:
        return 1.0, exact, 1.0
    if min(m, n) == 1:
        return value, 0.0, 1.0
    ties = _tie_variance(positives, negatives)
    z = ndtri((1 + level) / 2)
    _, plain = _on_logit(above, below, 0.0, ties, z)
    lower, upper = _on_logit(*((above, below) if m <= n else (below, above)), PSEUDO, ties, z)
    return value, min(lower, exact), max(upper, plain)


def placements(positives, negatives) -> tuple[np.ndarray, np.ndarray]:
    """Share of the negatives below each positive, and of the positives above each negative;
    equal scores count one half.
    """
    m, n = len(positives), len(negatives)
    ranks = rankdata(np.concatenate([positives, negatives]))
    return (ranks[:m] - rankdata(positives)) / n, 1 - (ranks[m:] - rankdata(negatives)) / m


def _on_logit(few, many, added, ties, z):
    """Ends of the interval, from the placements of both classes and members added to the first at one half."""
    size = few.size + added
    centre = (few.sum() + added / 2) / size
    scatter = (((few - centre) ** 2).sum() + added * (0.5 - centre) ** 2) / (size - 1) / size
    error = np.sqrt(scatter + many.var(ddof=1) / many.size + ties) / (centre * (1 - centre))
    return float(expit(logit(centre) - z * error)), float(expit(logit(centre) + z * error))


def _tie_variance(positives, negatives):
    """Variance that the area would have if equal scores were put in an order by chance."""
    values, own = np.unique(np.concatenate([positives, negatives]), return_inverse=True)
    m, n = len(positives), len(negatives)
    p, q = (np.bincount(part, minlength=values.size).astype(float) for part in (own[:m], own[m:]))
    return float((p * q * (p + q + 1)).sum() / 12 / (m * n) ** 2)
