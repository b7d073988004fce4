"""Are two samples alike: Kolmogorov-Smirnov distances of stamps full of pixels, areas under the
ROC curve, paired outcomes.
"""

import numpy as np
from scipy.stats import binom

from lenscal.kernels import ranking


def distance(first, second) -> float:
    """Largest difference of the two cumulative distributions, of counts in the same bins (KS
    distance up to a bin's content).
    """
    a, b = np.cumsum(first) / np.sum(first), np.cumsum(second) / np.sum(second)
    return float(np.abs(a - b).max())


def stamp_permutation_p(real, injected, rng, splits=2000) -> tuple[float, float, np.ndarray]:
    """Is the distance of injected from real stamps more than that of two lots drawn from all of them?

    Pixels of a stamp are correlated and stamps differ, so the p of independent pixels means nothing. Here stamps are
    the units: real and injected ones are shuffled together, which is exact when they are alike, however they differ
    among themselves. (The scatter of halves of the real ones alone, 20 of them, is itself too uncertain.)

    Parameters
    ----------
    real, injected : (stamp, bin) array
        Counts of pixels of each stamp.
    rng : numpy.random.Generator
    splits : int

    Returns
    -------
    distance, p : float
        p is (1 + splits at least as far) / (1 + splits).
    shuffled : (splits,) array
        The distances of the lots.
    """
    real, injected = np.asarray(real, float), np.asarray(injected, float)
    n, m = len(real), len(injected)
    observed = distance(real.sum(0), injected.sum(0))
    every = np.concatenate([real, injected])
    first = rng.permuted(np.broadcast_to(np.repeat([1.0, 0.0], [n, m]), (splits, n + m)), axis=1)
    a, b = np.cumsum(first @ every, axis=1), np.cumsum((1 - first) @ every, axis=1)
    shuffled = np.abs(a / a[:, -1:] - b / b[:, -1:]).max(1)
    return observed, float((1 + (shuffled >= observed - 1e-12).sum()) / (1 + splits)), shuffled


half_split_p = stamp_permutation_p  # its name when the lots were halves of the real stamps


def permutation_p(first, second, rng, splits=2000) -> tuple[float, float]:
    """KS distance of two samples of numbers, and its p from permutations of all of them:
    (1 + as far) / (1 + splits).
    """
    values = np.concatenate([first, second]).astype(float)
    order = np.argsort(values, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(values[order])), values.size - 1)  # equal values count together
    n, m = len(first), len(second)
    label = np.zeros(n + m)
    label[:n] = 1.0

    def far(labels):
        steps = np.cumsum(labels / n - (1 - labels) / m, axis=-1)
        return np.abs(steps[..., ends]).max(-1)

    observed = far(label[order])
    shuffled = rng.permuted(np.broadcast_to(label, (splits, n + m)), axis=1)
    return float(observed), float((1 + (far(shuffled) >= observed - 1e-12).sum()) / (1 + splits))


def area_under_curve(score, positive, level) -> tuple[float, float, float]:
    """Area under the ROC curve of one sample of scores, and its interval: `ranking.auc`.

    Parameters
    ----------
    score : (n,) array
    positive : (n,) bool array
    level : float
        Of the interval, such as 0.95.
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    return ranking.auc(score[positive], score[~positive], level)


def mcnemar(lost, won) -> tuple[float, float]:
    """Exact two-sided p of discordant pairs under equal chances, and its mid-p (Fagerland et al. 2013, BMC
    Med. Res. Meth. 13, 91).

    Where as many were won as lost the exact p is 1, and the mid-p one less half the probability of just that.
    """
    n, k = lost + won, min(lost, won)
    if n == 0:
        return 1.0, 1.0
    exact = min(1.0, 2 * float(binom.cdf(k, n, 0.5)))
    middle = float(binom.pmf(k, n, 0.5))
    return exact, exact - middle if lost != won else 1 - middle / 2


def mean_distance(first, second, rng, splits=2000) -> tuple[float, float]:
    """Mahalanobis distance of the means of two samples of vectors, and its p from permutations of all of them: (1 + as
    far) / (1 + splits).

    The covariance is the pooled one within the samples (Hotelling 1931, Ann. Math. Stat. 2, 360), taken anew in each
    permutation.

    Parameters
    ----------
    first, second : (n, d), (m, d) arrays
        Finite, with n and m above d.
    """
    values = np.concatenate([first, second]).astype(float)
    values = (values - values.mean(0)) / np.where(values.std(0) > 0, values.std(0), 1)
    n, m = len(first), len(second)
    label = np.repeat([True, False], [n, m])

    def far(label):
        one, two = values[label], values[~label]
        gap = one.mean(0) - two.mean(0)
        within = (np.cov(one, rowvar=False) * (n - 1) + np.cov(two, rowvar=False) * (m - 1)) / (n + m - 2)
        return float(np.sqrt(gap @ np.linalg.pinv(np.atleast_2d(within)) @ gap))

    observed = far(label)
    shuffled = np.array([far(rng.permutation(label)) for _ in range(splits)])
    return observed, float((1 + (shuffled >= observed - 1e-12).sum()) / (1 + splits))
