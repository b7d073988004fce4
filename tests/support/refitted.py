"""Slow twin of `selection.estimate`: scikit-learn's pipeline, fitted anew for each fold and each group left out."""

import warnings

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from lenscal.selection.balance import RIDGE
from lenscal.selection.estimate import EPSILON, FOLDS, STRENGTH


def estimate(sample, systems, found, groups):
    """Joint, weighted and modelled share, the weights, and the deviation of the joint one."""
    value, plain, model, weight = once(sample, systems, found, groups, True)
    left = []
    for g in np.unique(groups):
        kept = groups != g
        left.append(once(sample[kept], systems, found[kept], groups[kept], False)[0])
    left = np.array(left)
    return value, plain, model, weight, np.sqrt((left.size - 1) / left.size * np.square(left - left.mean()).sum())


def once(sample, systems, found, groups, cross_fit):
    weight = weights(sample, systems.mean(0))
    fitted = fit(sample, found)
    if cross_fit:
        own = np.empty(len(sample))
        for fold in range(FOLDS):
            asked = groups % FOLDS == fold
            own[asked] = fit(sample[~asked], found[~asked])(sample[asked])
    else:
        own = fitted(sample)
    model = fitted(systems).mean()
    return np.clip(model + weight @ (found - own), EPSILON, 1 - EPSILON), weight @ found, model, weight


def fit(sample, found):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    model = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        StandardScaler(),
        LogisticRegression(C=STRENGTH, max_iter=3000, tol=1e-6),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(sample, found)
    return lambda rows: np.clip(model.predict_proba(rows)[:, 1], EPSILON, 1 - EPSILON)


def weights(sample, target):
    """Entropy balancing by L-BFGS-B."""
    apart = sample - target

    def dual(tilt):
        exponent = apart @ tilt
        top = exponent.max()
        weight = np.exp(exponent - top)
        total = weight.sum()
        gradient = apart.T @ weight / total + RIDGE * tilt
        return np.log(total / len(sample)) + top + RIDGE / 2 * tilt @ tilt, gradient

    tilt = minimize(dual, np.zeros(apart.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 5000}).x
    weight = np.exp(apart @ tilt - (apart @ tilt).max())
    return weight / weight.sum()


def moved(chance, mean):
    """Probabilities moved by one step on the logit, by a bracketed root."""
    logits = logit(chance)
    return expit(logits + brentq(lambda step: expit(logits + step).mean() - mean, -30, 30))
