"""How much denser lens hosts are than galaxies, where a galaxy lies among their features."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from lenscal.kernels import draws

FEATURES = ("host_mag_z", "host_colour_gr", "host_colour_rz", "host_log_radius", "host_ellipticity", "host_sersic")
"""What a population of hosts is told by: dereddened z magnitude and colours, log10 of the half-light radius
[arcsec], |e|, Sersic index.
"""

STRENGTH = 0.3  # C of the logistic regression: twenty terms, dozens of lenses

FOLDS = 5

RATIO_MAX = 100.0  # of one galaxy over the mean of the pool: a tail that a few dozen lenses do not tell


def density_ratio(lenses: pd.DataFrame, pool: pd.DataFrame, wanted: pd.DataFrame, seed: int) -> np.ndarray:
    """How much oftener known lenses have a galaxy like each of some than the survey has.

    The odds of a logistic regression on the features and their products tell lenses from the pool (Qin 1998, Biometrika
    85, 619). It is fitted on four fifths of either and asked of the rest, so that a galaxy never vouches for itself: a
    galaxy of `wanted` that is in the pool is asked of the fit that has not seen it, others of the mean of all.

    Parameters
    ----------
    lenses, pool, wanted : DataFrame
        `FEATURES`, indexed by galaxy_id, all finite but for `wanted`.
    seed : int
        Of the run; it sets the folds, galaxy by galaxy.

    Returns
    -------
    (n,) array
        Ratios for the rows of `wanted`, mean 1 over the pool, at most `RATIO_MAX`; 0 where a feature is missing.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    names = list(FEATURES)
    values = np.concatenate([pool[names].to_numpy(float), lenses[names].to_numpy(float)])
    label = np.concatenate([np.zeros(len(pool), int), np.ones(len(lenses), int)])

    def fold_of(ids: np.ndarray) -> np.ndarray:
        return (draws.hashes(seed, "host density fold", np.asarray(ids, np.int64)) % np.uint64(FOLDS)).astype(int)

    fold = fold_of(np.concatenate([pool.index.to_numpy(), lenses.index.to_numpy()]))
    known = np.isfinite(wanted[names].to_numpy(float)).all(1)
    asked = wanted[names].to_numpy(float)[known]
    own = np.where(wanted.index.isin(pool.index), fold_of(wanted.index.to_numpy()), -1)[known]
    odds, of_pool = np.zeros((FOLDS, len(asked))), np.zeros(len(pool))
    for k in range(FOLDS):
        model = make_pipeline(
            StandardScaler(),
            PolynomialFeatures(2, include_bias=False),
            StandardScaler(),
            LogisticRegression(C=STRENGTH, max_iter=3000),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a fit that does not converge is no answer
            model.fit(values[fold != k], label[fold != k])
        odds[k] = model.decision_function(asked) if len(asked) else 0
        left = fold[: len(pool)] == k
        if left.any():
            of_pool[left] = model.decision_function(values[: len(pool)][left])
    logs = np.where(own >= 0, odds[np.maximum(own, 0), np.arange(len(asked))], odds.mean(0))
    out = np.zeros(len(wanted))
    out[known] = np.minimum(np.exp(logs) / np.exp(of_pool).mean(), RATIO_MAX)
    return out
