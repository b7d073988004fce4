"""From logit to probability: Platt scaling at a stated prevalence, and how well it holds."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from lenscal.errors import InputError
from lenscal.kernels.reliability import equal_mass_bins

PREVALENCE = 1 / 101  # one positive to a hundred negatives, as in the manifest
SLOPE_WIDTH = 1.0  # of the prior on ln(slope)


def class_weights(labels: np.ndarray, prevalence: float = PREVALENCE) -> np.ndarray:
    """Weights that give positives their share, summing to the number of rows."""
    labels = np.asarray(labels) == 1
    n, n_positive = labels.size, labels.sum()
    if n_positive in (0, n):
        raise InputError(f"calibration needs both classes; found {n_positive} positives in {n} rows")
    return np.where(labels, prevalence * n / n_positive, (1 - prevalence) * n / (n - n_positive))


def fit(logits: np.ndarray, labels: np.ndarray, prevalence: float = PREVALENCE) -> tuple[float, float]:
    """Slope and intercept of `probability = expit(slope * logit + intercept)`.

    Platt (1999) with the classes weighted to the prevalence. In place of his smoothed targets the slope has a
    log-normal prior around 1 of width `SLOPE_WIDTH`: it stays positive (a higher score is never less probable) and
    finite for separable classes, and the mean probability equals the prevalence.

    Parameters
    ----------
    logits : (n,) array
    labels : (n,) array
        1 or 0.
    prevalence : float
        Of positives, in (0, 1).

    Returns
    -------
    slope, intercept : float
    """
    logits = np.asarray(logits, np.float64)
    positive = np.asarray(labels) == 1
    weights = class_weights(positive, prevalence)
    centre = np.average(logits, weights=weights)
    x = logits - centre

    def cost(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = np.exp(parameters[0]), parameters[1]
        z = slope * x + intercept
        value = (
            -np.sum(weights * np.where(positive, log_expit(z), log_expit(-z)))
            + 0.5 * (parameters[0] / SLOPE_WIDTH) ** 2
        )
        residual = weights * (expit(z) - positive)
        return value, np.array([np.sum(residual * x) * slope + parameters[0] / SLOPE_WIDTH**2, residual.sum()])

    found = minimize(
        cost, [0.0, np.log(prevalence / (1 - prevalence))], jac=True, method="BFGS", options={"gtol": 1e-8}
    )
    if not np.isfinite(found.x).all() or np.abs(found.jac).max() > 1e-3:
        raise InputError(f"calibration did not converge on {x.size} logits: {found.message}")
    slope = float(np.exp(found.x[0]))
    return slope, float(found.x[1] - slope * centre)


def reliability(
    probability: np.ndarray, labels: np.ndarray, prevalence: float = PREVALENCE, bins: int = 10
) -> dict[str, float]:
    """How well probabilities hold, with the classes weighted to the prevalence.

    Parameters
    ----------
    probability : (n,) array
    labels : (n,) array
        1 or 0; both must occur.
    bins : int
        Of as many rows each, sorted by probability. Rows of one probability are never told apart: all go where the
        middle one goes.

    Returns
    -------
    dict
        ece (expected calibration error over the bins), top_predicted and top_observed (means of the top bin),
        positive_mean (mean probability of the positives), n_positive, n_negative. At low prevalence ece is dominated by
        negatives: read it with the other two.
    """
    probability = np.asarray(probability, np.float64)
    positive = np.asarray(labels) == 1
    weights = class_weights(positive, prevalence)
    own = equal_mass_bins(probability, bins)
    groups = [np.flatnonzero(own == i) for i in range(own.max() + 1)]
    mass = np.array([weights[g].sum() for g in groups])
    predicted = np.array([np.average(probability[g], weights=weights[g]) for g in groups])
    observed = np.array([np.average(positive[g], weights=weights[g]) for g in groups])
    return {
        "ece": float(np.sum(mass * np.abs(predicted - observed)) / mass.sum()),
        "top_predicted": float(predicted[-1]),
        "top_observed": float(observed[-1]),
        "positive_mean": float(probability[positive].mean()),
        "n_positive": int(positive.sum()),
        "n_negative": int((~positive).sum()),
    }
