"""Weights that make a sample look like a population, as near to equal as that allows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

RIDGE = 1e-3
STEPS = 40  # of Newton's method, which needs some five


def entropy_weights(
    sample: np.ndarray, target: np.ndarray, base: np.ndarray | None = None, ridge: float = RIDGE
) -> np.ndarray:
    """Weights of the rows of a sample whose weighted means are those of a population: of all such, the
    nearest to the base weights.

    Entropy balancing (Hainmueller 2012, Political Analysis 20, 25): w = base exp(lambda . z), the exponential tilt with
    the least Kullback-Leibler divergence from the base; lambda minimises a convex function. A small ridge on lambda
    leaves a mean a little off where a few rows would have to carry all the weight.

    Parameters
    ----------
    sample : (n, feature) array
        Scaled to deviations of about one.
    target : (feature,) array
        Means of the population.
    base : (n,) array, optional
        Weights to stay near, such as those that undo how the sample was drawn; equal by default.
    ridge : float

    Returns
    -------
    (n,) array
        Not negative, of sum 1.
    """
    base = np.full(len(sample), 1 / len(sample)) if base is None else np.asarray(base, float) / np.sum(base)
    apart = np.asarray(sample, float) - target
    return tilted(apart, entropy_tilt(apart, base, ridge), base)


def tilted(apart: np.ndarray, tilt: np.ndarray, base: np.ndarray) -> np.ndarray:
    """Base weights times exp(tilt . apart), of sum 1."""
    exponent = apart @ tilt
    weight = base * np.exp(exponent - exponent.max())
    return weight / weight.sum()


def entropy_tilt(apart: np.ndarray, base: np.ndarray, ridge: float = RIDGE) -> np.ndarray:
    """The tilt of `entropy_weights`, for rows less the target: Newton's method, and L-BFGS-B where a step does
    not lower the dual.
    """
    tilt = np.zeros(apart.shape[1])
    value, weight = _dual(apart, base, ridge, tilt)
    for _ in range(STEPS):
        mean = weight @ apart
        gradient = mean + ridge * tilt
        if np.abs(gradient).max() < 1e-9:
            return tilt
        spread = (apart * weight[:, None]).T @ apart - np.outer(mean, mean)
        step = -np.linalg.solve(spread + ridge * np.eye(tilt.size), gradient)
        length = 1.0
        while length > 1e-4:
            new, weights = _dual(apart, base, ridge, tilt + length * step)
            if new <= value + 1e-4 * length * (gradient @ step):
                break
            length /= 2
        else:
            break
        tilt, value, weight = tilt + length * step, new, weights
    found = minimize(
        lambda at: _with_slope(apart, base, ridge, at), tilt, jac=True, method="L-BFGS-B", options={"maxiter": 2000}
    )
    return found.x


def _dual(apart: np.ndarray, base: np.ndarray, ridge: float, tilt: np.ndarray) -> tuple[float, np.ndarray]:
    """The convex function that the tilt minimises, and the weights there."""
    exponent = apart @ tilt
    top = exponent.max()
    weight = base * np.exp(exponent - top)
    total = weight.sum()
    return np.log(total) + top + ridge / 2 * tilt @ tilt, weight / total


def _with_slope(apart: np.ndarray, base: np.ndarray, ridge: float, tilt: np.ndarray) -> tuple[float, np.ndarray]:
    value, weight = _dual(apart, base, ridge, tilt)
    return value, weight @ apart + ridge * tilt


def without_each(apart: np.ndarray, tilt: np.ndarray, groups: np.ndarray, count: int, ridge: float = RIDGE) -> list:
    """Weights of the rows with each group left out in turn: one step of Newton's method from the tilt of all.

    Parameters
    ----------
    apart : (n, feature) array
        Rows less the target.
    tilt : (feature,) array
        Of all rows, with equal base weights.
    groups : (n,) int array
        0 to `count` - 1.
    count : int
    ridge : float

    Returns
    -------
    list of (n,) arrays
        Of sum 1; 0 in the group left out. A group without rows has the weights of all.
    """
    weight = tilted(apart, tilt, np.ones(len(apart)))
    spread, means = np.zeros((count, tilt.size, tilt.size)), np.zeros((count, tilt.size))
    masses = np.bincount(groups, weight, count)
    for g in range(count):
        rows = apart[groups == g]
        own = weight[groups == g]
        means[g], spread[g] = own @ rows, (rows * own[:, None]).T @ rows
    out = []
    for g in range(count):
        mass = 1 - masses[g]
        mean = (means.sum(0) - means[g]) / mass
        curve = (spread.sum(0) - spread[g]) / mass - np.outer(mean, mean) + ridge * np.eye(tilt.size)
        step = np.linalg.solve(curve, mean + ridge * tilt)
        out.append(tilted(apart, tilt - step, (groups != g).astype(float)))
    return out
