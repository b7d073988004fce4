"""The doubly robust estimate of a mean: outcomes modelled, and what the model leaves weighed."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from scipy.special import expit, logit

from lenscal.selection.balance import entropy_weights

FOLDS = 5

STRENGTH = 0.1  # C of the logistic regression of what is found

EPSILON = 1e-6


def estimate(
    sample: np.ndarray, systems: np.ndarray, found: np.ndarray, groups: np.ndarray, cross_fit: bool = True
) -> tuple[float, float, float, np.ndarray, np.ndarray]:
    """Joint, weighted and modelled share, the weights, and the probability that each system is found (moved together,
    so that their mean is the joint share).
    """
    weight = entropy_weights(sample, systems.mean(0))
    plain = float(weight @ found)
    if found.min() == found.max():
        return plain, plain, plain, weight, np.full(len(systems), plain)
    fitted = _fitted(sample, found)
    chance = fitted(systems)
    if cross_fit:
        own = np.empty(len(sample))
        for fold in range(FOLDS):
            asked = groups % FOLDS == fold
            kept = ~asked
            own[asked] = (
                _fitted(sample[kept], found[kept])(sample[asked])
                if asked.any() and found[kept].min() < found[kept].max()
                else found[kept].mean()
            )
    else:
        own = fitted(sample)
    model = float(chance.mean())
    value = float(np.clip(model + weight @ (found - own), EPSILON, 1 - EPSILON))
    return value, plain, model, weight, _moved(chance, value)


def _fitted(sample: np.ndarray, found: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    model = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=STRENGTH, max_iter=1000),
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a fit that has not quite converged serves: it is corrected and its scatter measured
        model.fit(sample, found)
    return lambda rows: np.clip(model.predict_proba(rows)[:, 1], EPSILON, 1 - EPSILON)


def _moved(chance: np.ndarray, mean: float) -> np.ndarray:
    """Probabilities moved by one step on the logit scale so that their mean is as given."""
    from scipy.optimize import brentq

    logits = logit(chance)
    return expit(logits + brentq(lambda step: expit(logits + step).mean() - mean, -30, 30))
