"""Recall, false-positive rate and precision at a stated share of positives, for one sample or for many weightings of it
at once.
"""

import numpy as np


def steps(score, positive) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts at or above each score that occurs, from the highest down; equal scores are one step.

    Parameters
    ----------
    score : (n,) array
        Finite.
    positive : (n,) bool array

    Returns
    -------
    threshold, n_true, n_false : (m,) arrays
        m distinct scores.
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    order, ends = _descending(score)
    return score[order][ends], np.cumsum(positive[order])[ends], np.cumsum(~positive[order])[ends]


def precision(recall, false_positive_rate, prevalence) -> np.ndarray:
    """Share of positives among what is called positive, where they are a share `prevalence` of all; NaN where nothing
    is called.
    """
    found = prevalence * np.asarray(recall, float)
    called = found + (1 - prevalence) * np.asarray(false_positive_rate, float)
    return np.divide(found, called, out=np.full(called.shape, np.nan), where=called > 0)


def average_precision(score, positive, prevalence, weights=None) -> np.ndarray:
    """Precision at each step of recall, averaged over recall (the step-wise area below the precision-recall curve).

    Parameters
    ----------
    score : (n,) array
        Finite.
    positive : (n,) bool array
        Both classes occur.
    prevalence : float
        In (0, 1). Each class counts as much as it says, whatever the sample's share.
    weights : (..., n) array, optional
        Of the rows; one each by default.

    Returns
    -------
    (...) array
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    weights = np.ones(score.size) if weights is None else np.asarray(weights, float)
    order, ends = _descending(score)
    weights, positive = weights[..., order], positive[order]
    recall, rate = (np.cumsum(weights * own, axis=-1)[..., ends] for own in (positive, ~positive))
    recall, rate = recall / recall[..., -1:], rate / rate[..., -1:]
    gained = np.diff(recall, axis=-1, prepend=0)
    return (gained * np.nan_to_num(precision(recall, rate, prevalence))).sum(-1)


def _descending(score):
    """Order from the highest score down, and the last place of each run of equal ones."""
    order = np.argsort(-score, kind="stable")
    return order, np.append(np.flatnonzero(np.diff(score[order])), score.size - 1)
