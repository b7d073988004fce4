"""A smooth surface of logits through counted shares of cells, which each cell leaves by as much as the cells say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import expit, logit

ROUNDS = 12
WIDTHS = (0.05, 3.0)
"""Lengths, as parts of the range of an axis, between which a smooth part may change."""
AMPLITUDES = (1e-3, 6.0)
VAGUE = 1e4  # variance of a coefficient that nothing is known of


class Scales(NamedTuple):
    """Standard deviations on the logit, and lengths as parts of an axis.

    Attributes
    ----------
    first, width : float
        Of the smooth part along the first axis.
    others : float
        Of the smooth part along each other axis.
    column, bend, bend_width : float
        Of what a column (cells that differ in the first axis alone) differs by, as a whole and along the first axis.
    cell : float
        Of what a cell differs by.
    """

    first: float
    width: float
    others: float
    column: float
    bend: float
    bend_width: float
    cell: float


class Surface(NamedTuple):
    """Posterior of the logits of all cells: normal, with this mean and deviation; and what it rests on."""

    mean: np.ndarray
    deviation: np.ndarray
    scales: Scales
    slopes: np.ndarray


def fit(
    share: np.ndarray,
    trials: np.ndarray,
    places: np.ndarray,
    column: np.ndarray,
    rising: np.ndarray,
    shared: np.ndarray,
    scales: Scales | None = None,
) -> Surface:
    """A hierarchical logistic regression of cells.

    The logit of a cell is a mean that is linear along the axes (never falling along those that are `rising`), smooth
    parts, what its column differs by and what the cell differs by: normal, with standard deviations that have the
    highest likelihood of the data. The logits are found by penalised quasi-likelihood (Breslow & Clayton 1993, JASA 88,
    9): a normal approximation of the binomial of the effective counts about the surface itself, so that cells where
    nothing or all is found have a finite weight. Hosts that cells of a column share make part of their errors one: that
    part is not taken for the truth of the column.

    Parameters
    ----------
    share, trials : (cell,) arrays
        Share found, and effective trials; 0 trials where there are none: such cells are predicted.
    places : (cell, axis) array
        Centres along the axes, the first axis first, each scaled to a range of 1.
    column : (cell,) int array
    rising : (axis,) bool array
        Whether what is found may not fall along the axis.
    shared : (cell,) array
        Part of the variance of the error of a cell that its column has in common, in [0, 1): the errors of two cells of
        a column are correlated by the root of the product of theirs.
    scales : Scales, optional
        As from another fit; sought by default.

    Returns
    -------
    Surface
    """
    told = trials > 0
    k = np.where(told, np.nan_to_num(share) * trials, 0.0)
    start = logit((k[told].sum() + 0.5) / (trials[told].sum() + 1))
    eta = np.where(told, logit(np.clip((k + 0.5) / (trials + 1), 1e-4, 1 - 1e-4)) * 0.5 + start * 0.5, start)
    sought = scales is None
    scales = scales or Scales(1.0, 0.4, 0.3, 0.3, 0.3, 0.5, 0.2)
    surface = Surface(eta, np.zeros(eta.size), scales, np.zeros(places.shape[1]))
    for turn in range(ROUNDS):
        response, noise = _working(eta, k, trials, told, column, shared)
        if sought and turn in (2, 5):
            scales = _likeliest(response, noise, places, column, told, rising, scales)
        surface = _kriged(response, noise, places, column, told, rising, scales)
        change = float(np.abs(surface.mean - eta).max())
        eta = surface.mean
        if change < 1e-4 and turn > 6:
            break
    return surface._replace(deviation=_no_less(surface, trials, shared))


def _no_less(surface: Surface, trials: np.ndarray, shared: np.ndarray) -> np.ndarray:
    """Deviations that are no smaller than the error that the hosts of a column have in common: no neighbour takes it
    away. Nor is it larger than what a column may differ by, as a cell need not be asked at all.
    """
    chance = expit(surface.mean)
    error = np.divide(shared, trials * chance * (1 - chance), out=np.zeros(trials.size), where=trials > 0)
    scales = surface.scales
    most = scales.column**2 + scales.bend**2 + scales.cell**2
    return np.sqrt(np.maximum(surface.deviation**2, np.minimum(error, most)))


def _working(
    eta: np.ndarray, k: np.ndarray, trials: np.ndarray, told: np.ndarray, column: np.ndarray, shared: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Working responses of the cells with trials, and the covariance of their errors."""
    chance = expit(eta[told])
    slope = np.maximum(trials[told] * chance * (1 - chance), 1e-9)
    error = 1 / np.sqrt(slope)
    common = error * np.sqrt(shared[told])
    noise = np.where(column[told][:, None] == column[told], np.outer(common, common), 0.0)
    noise[np.diag_indices(error.size)] = error**2
    return eta[told] + (k[told] - trials[told] * chance) / slope, noise


def _covariance(places: np.ndarray, column: np.ndarray, scales: Scales) -> np.ndarray:
    """Of the logits of the cells, about their mean."""
    along = lambda axis, width: np.exp(-0.5 * ((places[:, axis][:, None] - places[:, axis]) / width) ** 2)  # noqa: E731
    out = scales.first**2 * along(0, scales.width)
    for axis in range(1, places.shape[1]):
        out = out + scales.others**2 * along(axis, 0.5)
    same = column[:, None] == column
    out = out + np.where(same, scales.column**2 + scales.bend**2 * along(0, scales.bend_width), 0.0)
    out[np.diag_indices(len(places))] += scales.cell**2
    return out


def _linear(places: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(places)), places[:, kept]])


def _mean_of(
    response: np.ndarray, factor: tuple, places: np.ndarray, rising: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the linear mean, those along rising axes not negative: which are kept, and what they are."""
    kept = np.ones(places.shape[1], bool)
    while True:
        design = _linear(places, kept)
        precision = design.T @ cho_solve(factor, design) + np.eye(design.shape[1]) / VAGUE
        found = np.linalg.solve(precision, design.T @ cho_solve(factor, response))
        falling = np.where(rising[kept], found[1:], 0.0)
        if not (falling < 0).any():
            return kept, found
        kept[np.flatnonzero(kept)[int(falling.argmin())]] = False


def _kriged(
    response: np.ndarray,
    noise: np.ndarray,
    places: np.ndarray,
    column: np.ndarray,
    told: np.ndarray,
    rising: np.ndarray,
    scales: Scales,
) -> Surface:
    """The surface at all cells, given working responses at those with trials."""
    covariance = _covariance(places, column, scales)
    inside = covariance[np.ix_(told, told)]
    factor = cho_factor(inside + noise, lower=True)
    kept, found = _mean_of(response, factor, places[told], rising)
    own, every = _linear(places[told], kept), _linear(places, kept)
    across = covariance[:, told]
    mean = every @ found + across @ cho_solve(factor, response - own @ found)
    gain = cho_solve(factor, across.T)
    rest = every - gain.T @ own
    precision = own.T @ cho_solve(factor, own) + np.eye(own.shape[1]) / VAGUE
    variance = np.diag(covariance) - (across * gain.T).sum(1) + (rest * np.linalg.solve(precision, rest.T).T).sum(1)
    slopes = np.zeros(places.shape[1])
    slopes[kept] = found[1:]
    return Surface(mean, np.sqrt(np.maximum(variance, 0)), scales, slopes)


def _likeliest(
    response: np.ndarray,
    noise: np.ndarray,
    places: np.ndarray,
    column: np.ndarray,
    told: np.ndarray,
    rising: np.ndarray,
    start: Scales,
) -> Scales:
    """Scales of the highest restricted likelihood of the working responses."""
    own = places[told]

    def loss(logs: np.ndarray) -> float:
        scales = Scales(*np.exp(logs))
        try:
            factor = cho_factor(_covariance(own, column[told], scales) + noise, lower=True)
        except np.linalg.LinAlgError:
            return 1e12
        kept, found = _mean_of(response, factor, own, rising)
        design = _linear(own, kept)
        left = response - design @ found
        precision = design.T @ cho_solve(factor, design) + np.eye(design.shape[1]) / VAGUE
        free = 0.05 * float(np.square(logs - np.log(_TYPICAL)).sum())  # what the data do not tell stays where it is
        return (
            float(
                np.log(np.diag(factor[0])).sum()
                + 0.5 * np.linalg.slogdet(precision)[1]
                + 0.5 * left @ cho_solve(factor, left)
            )
            + free
        )

    bounds = [np.log(WIDTHS if "width" in name else AMPLITUDES) for name in Scales._fields]
    found = minimize(loss, np.log(start), method="L-BFGS-B", bounds=bounds, options={"maxiter": 25})
    return Scales(*map(float, np.exp(found.x)))


_TYPICAL = Scales(1.0, 0.4, 0.3, 0.3, 0.3, 0.5, 0.2)
