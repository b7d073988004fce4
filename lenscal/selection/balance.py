"""Weights that make a sample look like a population, as near to equal as that allows."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize

RIDGE = 1e-3


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

    def dual(tilt: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = apart @ tilt
        top = exponent.max()
        weight = base * np.exp(exponent - top)
        total = weight.sum()
        return np.log(total) + top + ridge / 2 * tilt @ tilt, apart.T @ weight / total + ridge * tilt

    tilt = minimize(dual, np.zeros(apart.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    exponent = apart @ tilt
    weight = base * np.exp(exponent - exponent.max())
    return weight / weight.sum()
