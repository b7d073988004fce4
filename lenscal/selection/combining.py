"""What either or both of two detectors find: exact where both tried the same trials, else between bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import completeness, schema
from lenscal.errors import InputError
from lenscal.kernels import intervals, recovery

from .cells import HostCounts, hosts_of, named, settings_of
from .counting import _counts
from .pairs import about, comparable, paired
from .trials import Trials

if TYPE_CHECKING:
    from .function import SelectionFunction

BOUNDS, NO_DATA = "bounds", "no data"
Parts = tuple[xr.Dataset, dict[str, np.ndarray], Trials | None, HostCounts | None]


def combined(one: SelectionFunction, two: SelectionFunction, how: str) -> Parts:
    """Cube, edges, trials and host counts of what either (``or``) or both (``and``) find."""
    comparable(one, two)
    pair = paired(one, two)
    if pair is None:
        return _bounded(one, two, how), dict(one.edges), None, None
    first, second = pair
    found = np.where(
        np.isnan(first.found) | np.isnan(second.found),
        np.nan,
        np.maximum(first.found, second.found) if how == "or" else np.minimum(first.found, second.found),
    )
    own = replace(first, found=found, cut=None)
    cube, hosts = cube_of(own, one)
    return cube.assign_attrs(about(one, two, how, "paired trials")), dict(one.edges), own, hosts


def cube_of(trials: Trials, like: SelectionFunction) -> tuple[xr.Dataset, HostCounts | None]:
    """The cube of some trials in the cells of a selection function, by the same counts and posterior."""
    settings = settings_of(like.cube)
    cell, inside = trials.cells(like.edges)
    places = np.unravel_index(cell, [ends.size - 1 for ends in like.edges.values()])
    failed = np.isnan(trials.found)
    table = pd.DataFrame({"host": trials.host})
    if trials.weight is not None:
        table["weight"] = trials.weight
    counts = _counts(
        table,
        places,
        inside,
        (~failed).astype(np.int64),
        np.nan_to_num(trials.found).astype(np.int64),
        failed.astype(np.int64),
        like.edges,
        "host",
        "weight" if trials.weight is not None else None,
    )
    units = {name: str(like.cube[name].attrs.get("units", "1")) for name in like.edges}
    cube = named(completeness.posterior(counts, settings), like.edges, units)
    kept = {name: like.cube[name] for name in ("area", "host_pool") if name in like.cube}
    return cube.assign(kept), hosts_of(counts)


def share_of(cube: xr.Dataset, order: tuple[str, ...]) -> np.ndarray:
    if "fraction_detected" in cube:
        return cube["fraction_detected"].transpose(*order).values.astype(float)
    if "n_detected" not in cube:
        raise InputError(
            "the selection function has bounds alone, and no number that could be combined once more; combine trials "
            "by their ids"
        )
    with np.errstate(invalid="ignore"):
        return (cube["n_detected"] / cube["n_injected"]).transpose(*order).values.astype(float)


def ends_of(selection: SelectionFunction, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share and interval of each cell at any level; NaN where the cube has none."""
    order = tuple(selection.edges)
    cube = selection.cube
    share = share_of(cube, order)
    n = cube["n_effective"].transpose(*order).values.astype(float)
    known = cube["lower"].isel(level=0).transpose(*order).notnull().values
    wider = _wider(cube, order)
    n = np.where(known, n / wider, 0.0)
    k = np.where(share == 1, n, np.nan_to_num(share) * n)
    low, high = intervals.interval(k, n, level, str(cube.attrs.get("binomial_prior", "jeffreys")))
    return np.where(known, share, np.nan), low, high


def _wider(cube: xr.Dataset, order: tuple[str, ...]) -> np.ndarray | float:
    """How much fewer trials an interval at 95 % stands on than `n_effective` says, as the design effect is an
    estimate.
    """
    if "design_effect" not in cube or "hosts_effective" not in cube or not order:
        return 1.0
    hosts = np.maximum(cube["hosts_effective"].transpose(*order).values.astype(float) - 1, 0)
    freedom = hosts.reshape(hosts.shape[0], -1).sum(1).reshape(-1, *[1] * (len(order) - 1))
    effect = cube["design_effect"].transpose(*order).values.astype(float)
    return np.where(
        effect > 0, recovery.widened(effect, freedom, schema.LEVELS[1]) / np.where(effect > 0, effect, 1), 1
    )


def _bounded(one: SelectionFunction, two: SelectionFunction, how: str) -> xr.Dataset:
    """Frechet's bounds of a union or an intersection, with the errors of both."""
    order = tuple(one.edges)
    lower, upper = [], []
    for level in schema.LEVELS:
        own = 1 - (1 - level) / 2  # of each of two statements, so that both hold at the level
        _, low_1, high_1 = ends_of(one, own)
        _, low_2, high_2 = ends_of(two, own)
        if how == "or":
            lower.append(np.fmax(low_1, low_2)), upper.append(np.minimum(high_1 + high_2, 1))
        else:
            lower.append(np.maximum(low_1 + low_2 - 1, 0)), upper.append(np.minimum(high_1, high_2))
    first, second = (share_of(part.cube, order) for part in (one, two))
    unknown = np.isnan(first) | np.isnan(second)
    hide = lambda ends: np.where(unknown[..., None], np.nan, np.stack(ends, -1))  # noqa: E731
    n = np.fmin(*(part.cube["n_effective"].transpose(*order).values for part in (one, two)))
    quantiles = np.full((*first.shape, len(schema.QUANTILES)), np.nan)
    ends = (
        (np.fmax(first, second), np.minimum(first + second, 1))
        if how == "or"
        else (np.maximum(first + second - 1, 0), np.minimum(first, second))
    )
    tried = np.minimum(*(part.cube["n_injected"].transpose(*order).values for part in (one, two)))
    return xr.Dataset(
        {
            "completeness": ((*order, "quantile"), quantiles),
            "lower": ((*order, "level"), hide(lower)),
            "upper": ((*order, "level"), hide(upper)),
            "bound_lower": (order, np.where(unknown, np.nan, ends[0])),
            "bound_upper": (order, np.where(unknown, np.nan, ends[1])),
            "n_effective": (order, n),
            "n_injected": (order, tried),
            "sufficient": (order, np.zeros(first.shape, bool)),
            "status": (order, np.where(unknown, NO_DATA, BOUNDS).astype(object)),
        },
        {name: one.cube[name].variable for name in (*order, "quantile", "level")},
        {**about(one, two, how, BOUNDS), "binomial_prior": one.cube.attrs.get("binomial_prior", "jeffreys")},
    )
