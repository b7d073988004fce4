"""A classifier that needs no detector: can it tell injections from real lenses?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from lenscal.kernels import twosamples

FOLDS = 5
STRENGTH = 0.05  # C of the logistic regression: dozens of features, dozens of lenses
LEVEL = 0.95


@dataclass(frozen=True)
class Probe:
    """Outcome of one question put to the probe; the area is of the pooled out-of-fold scores, which is a
    little below 1/2 by chance.
    """

    area: float
    lower: float
    upper: float
    n_first: int
    n_second: int
    groups: int


def ask(first: np.ndarray, second: np.ndarray, group_first: np.ndarray, group_second: np.ndarray, seed: int) -> Probe:
    """How well a linear classifier tells two samples apart.

    Features are scaled on the training folds, classes weighted by their inverse numbers, folds cut by group, so that
    one object is never on both sides.

    Parameters
    ----------
    first, second : (n, feature) arrays
    group_first, group_second : (n,) integer arrays
        Objects: images of one object share a fold.
    seed : int
        Of the folds.

    Returns
    -------
    Probe
        Area under the curve of `first` over `second` with its 95 % interval; NaN where a sample has fewer objects than
        two folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([first, second])
    label = np.concatenate([np.ones(len(first), int), np.zeros(len(second), int)])
    group = np.concatenate([group_first, group_second])
    folds = min(FOLDS, np.unique(group_first).size, np.unique(group_second).size)
    counts = len(first), len(second), int(np.unique(group).size)
    if folds < 2:
        return Probe(np.nan, np.nan, np.nan, *counts)
    score = np.full(label.size, np.nan)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*least populated class.*")
        cut = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32).split(features, label, group)
        for train, test in cut:
            if np.unique(label[train]).size < 2:
                continue
            model = make_pipeline(
                StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=1000)
            )
            score[test] = model.fit(features[train], label[train]).decision_function(features[test])
    seen = np.isfinite(score)
    return Probe(*twosamples.area_under_curve(score[seen], label[seen] == 1, LEVEL), *counts)
