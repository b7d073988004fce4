"""Which trials of a cell are looked at."""

from __future__ import annotations

import numpy as np

STAMPS = 16


def chosen(score: np.ndarray, threshold: float, count: int = STAMPS) -> np.ndarray:
    """Trials of a cell, half of them found and half missed as far as there are, evenly spread in score.

    Parameters
    ----------
    score : (trial,) array
        NaN for a trial without an image, which is never chosen.
    threshold : float
        A trial is found where its score reaches it.
    count : int

    Returns
    -------
    (at most count,) int64 array
        Those found first, each part from the highest score to the lowest.
    """
    order = np.argsort(-score, kind="stable")
    order = order[np.isfinite(score[order])]
    found, missed = order[score[order] >= threshold], order[score[order] < threshold]
    half = count // 2
    of_found = min(found.size, max(half, count - missed.size))
    return np.concatenate([_spread(found, of_found), _spread(missed, min(missed.size, count - of_found))])


def _spread(ranked: np.ndarray, count: int) -> np.ndarray:
    """As many of a sequence, both ends among them."""
    return ranked[np.round(np.linspace(0, ranked.size - 1, count)).astype(int)] if count else ranked[:0]
