"""The doubly robust estimate of a mean: outcomes modelled, and what the model leaves weighed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from lenscal.selection.balance import entropy_tilt, tilted, without_each
from lenscal.selection.logistic import Logistic, Products

FOLDS = 5

STRENGTH = 0.1  # C of the logistic regression of what is found

EPSILON = 1e-6


@dataclass(frozen=True)
class Estimate:
    """What trials say of systems.

    Attributes
    ----------
    value, plain, model : float
        Joint, weighted and modelled share.
    weight : (trial,) array
        Of sum 1.
    chance : (system,) array
        Probability that each system is found, moved together so that their mean is `value`.
    scatter : (group, system) array
        The same with each group left out.
    """

    value: float
    plain: float
    model: float
    weight: np.ndarray
    chance: np.ndarray
    scatter: np.ndarray


def estimate(sample: np.ndarray, systems: np.ndarray, found: np.ndarray, groups: np.ndarray, count: int) -> Estimate:
    """The doubly robust share found of systems, and what it is without each group of trials.

    A fold or a group that is left out costs one step of Newton's method from the fit of all trials, which is as good
    as another fit to a small part of its own error (`tests/support/refitted.py` fits anew).

    Parameters
    ----------
    sample, systems : (trial, feature) and (system, feature) arrays
        On one scale, deviations of about one.
    found : (trial,) array
        0 or 1.
    groups : (trial,) int array
        0 to `count` - 1, of hosts.
    count : int
    """
    apart = np.asarray(sample, float) - systems.mean(0)
    tilt = entropy_tilt(apart, np.full(len(apart), 1 / len(apart)))
    weight = tilted(apart, tilt, np.ones(len(apart)))
    plain = float(weight @ found)
    present = np.unique(groups)
    if found.min() == found.max():
        same = np.full(len(systems), plain)
        return Estimate(plain, plain, plain, weight, same, np.tile(same, (present.size, 1)))
    products, columns = Products.of(sample)
    fit = Logistic(columns, found, STRENGTH)
    folds = [[g for g in present if g % FOLDS == fold] for fold in range(FOLDS)]
    others = np.vstack([fit.without(groups, folds, more=2), fit.without(groups, [[g] for g in present])])
    own = np.empty(len(sample))
    for fold, at in enumerate(others[:FOLDS]):
        asked = groups % FOLDS == fold
        own[asked] = _chance(columns[asked], at)
    every = np.vstack([fit.at, others[FOLDS:]])
    chances = _chance(products.columns(systems), every).T
    model = float(chances[0].mean())
    value = float(np.clip(model + weight @ (found - own), EPSILON, 1 - EPSILON))
    within = _chance(columns, every[1:])
    left = without_each(apart, tilt, groups, count)
    values = [
        np.clip(chances[1 + i].mean() + left[g] @ (found - within[:, i]), EPSILON, 1 - EPSILON)
        for i, g in enumerate(present)
    ]
    scatter = np.stack([moved(chance, float(mean)) for chance, mean in zip(chances[1:], values)])
    return Estimate(value, plain, model, weight, moved(chances[0], value), scatter)


def _chance(columns: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Probability of each row, (row,) or (row, fit)."""
    return np.clip(expit((columns @ at.T.astype(np.float32)).astype(float)), EPSILON, 1 - EPSILON)


def moved(chance: np.ndarray, mean: float) -> np.ndarray:
    """Probabilities moved by one step on the logit scale so that their mean is as given (Newton's method, kept inside
    a bracket).
    """
    logits = logit(chance)
    low, high, step = -30.0, 30.0, 0.0
    for _ in range(60):
        now = expit(logits + step)
        off = float(now.mean()) - mean
        if abs(off) < 1e-13:
            break
        low, high = (low, step) if off > 0 else (step, high)
        slope = float((now * (1 - now)).mean())
        step = step - off / slope if slope > 0 else (low + high) / 2
        if not low < step < high:
            step = (low + high) / 2
    return expit(logits + step)
