"""Completeness of one detector less that of another, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.kernels import proportions, recovery

from .combining import BOUNDS, NO_DATA, ends_of, share_of
from .pairs import about, comparable, paired

if TYPE_CHECKING:
    from .function import SelectionFunction


def difference(one: SelectionFunction, two: SelectionFunction) -> xr.Dataset:
    """Completeness of the first less that of the second: difference, lower, upper (level), n_injected, status."""
    comparable(one, two)
    pair = paired(one, two)
    shape = tuple(ends.size - 1 for ends in one.edges.values())
    if pair is None:
        return _unpaired(one, two)
    first, second = pair
    cell, inside = first.cells(one.edges)
    good = inside & np.isfinite(first.found) & np.isfinite(second.found)
    weight = first.weight if first.weight is not None else np.ones(good.size)
    a, b = first.found[good], second.found[good]
    hosts, freedom, effect = _effects(a - b, weight[good], pd.factorize(first.host[good])[0], cell[good], shape)
    w = lambda chosen: np.bincount(cell[good], weight[good] * chosen, int(np.prod(shape))).reshape(shape)  # noqa: E731
    total = w(np.ones(a.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        table = [w(x) / total for x in (a * b, b * (1 - a), a * (1 - b), (1 - a) * (1 - b))]
    n = np.bincount(cell[good], minlength=int(np.prod(shape))).reshape(shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        equal = total**2 / w(weight[good])  # as many trials of equal weight (Kish 1965, Survey Sampling, 11.7)
    told = recovery.enough(hosts.reshape(shape[0], -1)).reshape(shape)
    value = np.where(n > 0, table[2] - table[1], np.nan)
    ends = np.full((2, *shape, len(schema.LEVELS)), np.nan)
    for i, level in enumerate(schema.LEVELS):
        worth = equal / recovery.widened(effect, freedom, level)
        for at in zip(*np.nonzero(told & (n > 0))):
            ends[(slice(None), *at, i)] = proportions.paired_difference(
                *(part[at] * worth[at] for part in table), level
            )[1:]
    return _differences(
        one, two, value, ends, n, np.where(n > 0, np.where(told, "paired", "insufficient"), NO_DATA), "paired trials"
    )


def _effects(
    change: np.ndarray, weight: np.ndarray, host: np.ndarray, cell: np.ndarray, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effective hosts of each cell, degrees of freedom, and design effect of a paired difference over that of as many
    trials of equal weight: pooled over the cells of one step of the first axis, as single cells tell it badly.
    """
    size = int(np.prod(shape))
    hosts, effect = np.zeros(size), np.ones(size)
    sums = np.zeros((shape[0], 2))
    for at in np.unique(cell):
        own = cell == at
        w, _, h = weight[own], *np.unique(host[own], return_inverse=True)
        mass = np.bincount(h, w)
        hosts[at] = mass.sum() ** 2 / (mass**2).sum()
        apart = change[own] - np.average(change[own], weights=w)
        alone = float(np.average(apart**2, weights=w) * (w**2).sum())
        if hosts[at] > 1.5 and alone > 0:
            between = np.square(np.bincount(h, w * apart)).sum() * hosts[at] / (hosts[at] - 1)
            row = at // (size // shape[0])
            sums[row] += (between / alone, 1)
    freedom = np.maximum(hosts.reshape(shape[0], -1) - 1, 1).sum(1)
    pooled = np.where(sums[:, 1] > 0, sums[:, 0] / np.maximum(sums[:, 1], 1), 1.0)
    pooled = np.where(pooled - 1 > np.sqrt(2 / freedom), pooled, 1.0)
    rows = (-1, *[1] * (len(shape) - 1))
    effect = np.broadcast_to(pooled.reshape(rows), shape)
    return hosts.reshape(shape), np.broadcast_to(freedom.reshape(rows), shape), effect


def _unpaired(one: SelectionFunction, two: SelectionFunction) -> xr.Dataset:
    """Differences of two shares whose errors may hang together in any way: the ends of both, put against each other."""
    order = tuple(one.edges)
    first, second = (share_of(part.cube, order) for part in (one, two))
    ends = np.full((2, *first.shape, len(schema.LEVELS)), np.nan)
    for i, level in enumerate(schema.LEVELS):
        (_, low_1, high_1), (_, low_2, high_2) = (ends_of(part, 1 - (1 - level) / 2) for part in (one, two))
        ends[0, ..., i], ends[1, ..., i] = low_1 - high_2, high_1 - low_2
    tried = np.minimum(*(part.cube["n_injected"].transpose(*order).values for part in (one, two)))
    value = first - second
    return _differences(one, two, value, ends, tried, np.where(np.isnan(value), NO_DATA, BOUNDS), BOUNDS)


def _differences(
    one: SelectionFunction,
    two: SelectionFunction,
    value: np.ndarray,
    ends: np.ndarray,
    n: np.ndarray,
    status: np.ndarray,
    by: str,
) -> xr.Dataset:
    order = tuple(one.edges)
    hide = np.isnan(value)[..., None]
    return xr.Dataset(
        {
            "difference": (order, value, {"units": "1"}),
            "lower": ((*order, "level"), np.where(hide, np.nan, ends[0]), {"units": "1"}),
            "upper": ((*order, "level"), np.where(hide, np.nan, ends[1]), {"units": "1"}),
            "n_injected": (order, n, {"units": "1"}),
            "status": (order, status.astype(object)),
        },
        {name: one.cube[name].variable for name in (*order, "level")},
        about(one, two, "less", by),
    )
