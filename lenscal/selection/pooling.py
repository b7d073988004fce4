"""A second estimate of each cell, which borrows from its neighbours: beside the first, never in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from scipy.special import expit, ndtri

from lenscal.errors import InputError
from lenscal.kernels import draws, pooling

from .averaging import detected_of
from .cells import OWN, HostCounts

if TYPE_CHECKING:
    from .function import SelectionFunction

CELLS_MIN = 12
"""Cells with trials below which nothing is pooled: their scatter about a surface tells no scale."""
FOLDS = 5
DRAWS = 400  # of held-out cells
ABOUT = (
    "partial pooling over neighbouring cells and conditions: a hierarchical logistic surface; it is another estimate "
    "than completeness, lower and upper, which use the trials of one cell alone"
)


def pooled(selection: SelectionFunction, rising: tuple[str, ...], seed: int) -> xr.Dataset:
    """The cube with pooled_completeness, pooled_lower, pooled_upper (level) and pooled_status, as
    `SelectionFunction.pooled` has it.
    """
    cube, edges = selection.cube, selection.edges
    order = tuple(edges)
    if strange := [name for name in rising if name not in edges]:
        raise InputError(f"pooled: there is no axis {', '.join(strange)}; the axes are {', '.join(order)}")
    if "n_effective" not in cube or "fraction_detected" not in cube:
        raise InputError("pooled: the cube has no effective trials; pool before combining or averaging")
    trials = np.nan_to_num(cube["n_effective"].transpose(*order).values.astype(float)).ravel()
    told = trials > 0
    if told.sum() < CELLS_MIN:
        raise InputError(
            f"pooled: {int(told.sum())} cells have trials, {CELLS_MIN} needed to tell how much neighbours are alike"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (detected_of(cube) / cube["n_injected"]).transpose(*order).values.astype(float).ravel()
    sides = [cube.sizes[name] for name in order]
    places = _places(cube, order)
    column = np.tile(np.arange(int(np.prod(sides[1:]))), sides[0])
    up = np.array([name in rising for name in order])
    shared = _shared(cube, selection.hosts, sides)
    surface = pooling.fit(share, trials, places, column, up, shared)
    held = _held_out(share, trials, places, column, up, shared, surface.scales, seed)
    levels = cube["level"].values
    z = ndtri((1 + levels) / 2)
    put = lambda values, *more: ((*order, *more), np.reshape(values, (*sides, *np.shape(values)[1:])))  # noqa: E731
    ends = {sign: expit(surface.mean[:, None] + sign * z * surface.deviation[:, None]) for sign in (-1, 1)}
    out = cube.assign(
        pooled_completeness=(*put(expit(surface.mean)), {"units": "1", "long_name": ABOUT}),
        pooled_lower=(*put(ends[-1], "level"), {"units": "1"}),
        pooled_upper=(*put(ends[1], "level"), {"units": "1"}),
        pooled_status=put(np.where(told, "pooled", "predicted").astype(object)),
    )
    scales = {f"pooled_{name}": value for name, value in surface.scales._asdict().items()}
    return out.assign_attrs(
        pooled=ABOUT,
        pooled_rising=", ".join(rising),
        pooled_shared=float(shared.mean()),
        pooled_held_out_68=held[0],
        pooled_held_out_95=held[1],
        **scales,
    )


def _places(cube: xr.Dataset, order: tuple[str, ...]) -> np.ndarray:
    """Centres of all cells, each axis scaled to a range of 1."""
    scaled = []
    for name in order:
        values = cube[name].values.astype(float)
        span = values[-1] - values[0] if values.size > 1 else 1.0
        scaled.append((values - values[0]) / span)
    return np.column_stack([grid.ravel() for grid in np.meshgrid(*scaled, indexing="ij")])


def _shared(cube: xr.Dataset, hosts: HostCounts | None, sides: list[int]) -> np.ndarray:
    """Part of the variance of the error of each cell that it has in common with the cells of its column, by the step of
    the first axis: one factor behind the correlations that the hosts tell.

    Raises
    ------
    InputError
        The cells share hosts, and nothing says which.
    """
    each = int(np.prod(sides[1:]))
    if cube.attrs.get("hosts") == OWN or sides[0] == 1:
        return np.zeros(sides[0] * each)
    if hosts is None:
        raise InputError(
            "pooled: the counts do not say which hosts cells share; make the selection function of trials "
            "(from_table, from_run), or give counts of trials on hosts of their own (hosts=None)"
        )
    together = np.zeros((sides[0], sides[0]))
    parts = together.copy()
    for column in np.unique(hosts.column):
        own = hosts.column == column
        n, k = hosts.injected[:, own] * hosts.weight[own], hosts.detected[:, own] * hosts.weight[own]
        total = n.sum(1, keepdims=True)
        share = np.divide(k.sum(1, keepdims=True), total, out=np.zeros(total.shape), where=total > 0)
        left = np.divide(k - n * share, total, out=np.zeros(n.shape), where=total > 0)
        covariance = left @ left.T
        size = np.sqrt(np.diag(covariance))
        together, parts = together + covariance, parts + np.outer(size, size)
    correlation = np.divide(together, parts, out=np.zeros(parts.shape), where=parts > 0)
    return np.repeat(_one_factor(correlation) ** 2, each)


def _one_factor(correlation: np.ndarray) -> np.ndarray:
    """Loadings whose products are nearest to the correlations of different steps; from 0 to the root of 0.95."""
    off = correlation - np.diag(np.diag(correlation))
    size = len(correlation)
    loading = np.full(size, np.sqrt(max(off.sum() / (size * (size - 1)), 0.0)))
    for _ in range(100):
        square = (loading**2).sum() - loading**2
        loading = np.clip(np.divide(off @ loading, square, out=loading.copy(), where=square > 1e-9), 0, np.sqrt(0.95))
    return loading


def _held_out(
    share: np.ndarray,
    trials: np.ndarray,
    places: np.ndarray,
    column: np.ndarray,
    up: np.ndarray,
    shared: np.ndarray,
    scales: pooling.Scales,
    seed: int,
) -> tuple[float, float]:
    """Share of the cells whose own count lies in the 68.27 and 95 % interval predicted without it: whole columns are
    left out, whose hosts no other cell has, or cells where there are few columns.
    """
    told = np.flatnonzero(trials > 0)
    unit = column[told] if np.unique(column[told]).size >= 2 * FOLDS else told
    units, own = np.unique(unit, return_inverse=True)
    fold = (np.argsort(np.argsort(draws.uniform(seed, "held-out cell", units))) % FOLDS)[own]
    ranks = np.full(told.size, np.nan)
    for i in range(FOLDS):
        out = told[fold == i]
        left = trials.copy()
        left[out] = 0
        surface = pooling.fit(share, left, places, column, up, shared, scales)
        z = draws.uniform(seed, "held-out logit", np.arange(DRAWS))
        noise = draws.uniform(seed, "held-out count", np.arange(DRAWS))
        chance = expit(surface.mean[out, None] + surface.deviation[out, None] * ndtri(z))
        counts = chance + ndtri(noise) * np.sqrt(chance * (1 - chance) / trials[out, None])
        spread = np.sqrt(np.mean(chance * (1 - chance), 1) / trials[out])
        apart = np.clip(counts, 0, 1) - share[out, None]
        ranks[fold == i] = np.where(np.abs(apart) < 1e-3 * spread[:, None], 0.5, apart < 0).mean(1)
    return float((np.abs(ranks - 0.5) <= 0.34135).mean()), float((np.abs(ranks - 0.5) <= 0.475).mean())
