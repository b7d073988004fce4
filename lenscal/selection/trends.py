"""Whether completeness falls where it should rise, and cells with few trials put together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal.errors import InputError

from .averaging import average
from .cells import HostCounts, settings_of

if TYPE_CHECKING:
    from .function import SelectionFunction

LEVEL = 0.95


def steps(selection: SelectionFunction, along: str) -> pd.DataFrame:
    """Change of completeness from each bin of an axis to the next: as `SelectionFunction.trend`."""
    if along not in selection.edges:
        raise InputError(f"trend: there is no axis {along}; the axes are {', '.join(selection.edges)}")
    if selection.cube.sizes[along] < 2:
        raise InputError(f"trend: {along} has one bin, so nothing can rise or fall along it")
    if next(iter(selection.edges)) == along or _shared(selection.hosts, selection.edges, along):
        raise InputError(
            f"trend: bins along {along} share hosts, so their differences are surer than this test takes them for; "
            "ask it of a condition of the hosts"
        )
    others = tuple(name for name in selection.edges if name != along)
    cube = selection.cube
    known = (cube["n_injected"] > 0).all(along)
    if not bool(known.any()):
        raise InputError(f"trend: no cell has trials in every bin of {along}; average over fewer conditions")
    one = average(cube, selection.edges, selection.hosts, others, known.astype(float).drop_vars(list(known.coords)))
    share = one["fraction_detected"].values
    low, high = (one[end].sel(level=LEVEL).values for end in ("lower", "upper"))
    change = np.diff(share)
    below = np.sqrt((share[1:] - low[1:]) ** 2 + (high[:-1] - share[:-1]) ** 2)
    above = np.sqrt((high[1:] - share[1:]) ** 2 + (share[:-1] - low[:-1]) ** 2)
    centres = cube[along].values
    out = pd.DataFrame(
        {
            "from": centres[:-1],
            "to": centres[1:],
            "difference": change,
            "lower": change - below,
            "upper": change + above,
            "falls": change + above < 0,
        }
    )
    out.attrs = {
        "along": along,
        "level": LEVEL,
        "cells": int(known.sum()),
        "alarm": bool(out["falls"].any()),
        "judged": bool(np.isfinite(out["upper"]).all()),
    }
    return out


def _shared(hosts: HostCounts | None, edges: Mapping[str, np.ndarray], along: str) -> bool:
    """Whether a host has trials in several bins of an axis."""
    if hosts is None:
        return False
    names = list(edges)
    sides = [edges[name].size - 1 for name in names[1:]]
    used = hosts.injected.any(0)
    place = np.unravel_index(hosts.column[used], sides)[names.index(along) - 1]
    pairs = np.unique(np.stack([pd.factorize(hosts.name[used])[0], place], 1), axis=0)
    return np.unique(pairs[:, 0]).size < len(pairs)


def merged_edges(selection: SelectionFunction, along: str, trials_min: int) -> np.ndarray:
    """Edges of an axis with neighbouring bins put together, from the first on, until the least of their cells that
    have data anywhere along the axis has so many trials.
    """
    if not trials_min >= 1:
        raise InputError(f"merge: trials_min is {trials_min}, expected a number of 1 or more")
    cube = selection.cube
    rest = [name for name in selection.edges if name != along]
    n = cube["n_injected"].transpose(along, *rest).values.reshape(cube.sizes[along], -1)
    n = n[:, n.any(0)]
    if n.sum(0).min(initial=np.iinfo(np.int64).max) < trials_min:
        raise InputError(
            f"merge: all bins of {along} together leave a cell with {int(n.sum(0).min())} trials, fewer than "
            f"{trials_min}; merge another axis as well"
        )
    ends, together = [0], np.zeros(n.shape[1])
    for i, row in enumerate(n):
        together = together + row
        if together.min() >= trials_min:
            ends.append(i + 1)
            together = np.zeros(n.shape[1])
    ends[-1] = len(n)  # a rest that is too small joins the last
    return selection.edges[along][ends]


def merged(selection: SelectionFunction, along: str, ends: np.ndarray) -> SelectionFunction:
    """The selection function with other edges along an axis, counted anew from its hosts."""
    edges = selection.edges | {along: ends}
    table = rows_of_hosts(selection)
    units = {name: selection.cube[name].attrs.get("units", "1") for name in edges}
    made = type(selection).from_table(
        table, edges, found="found", trials="tried", weight="weight", settings=settings_of(selection.cube)
    )
    attrs = {name: value for name, value in selection.cube.attrs.items() if name not in made.cube.attrs}
    was = selection.edges[along]
    together = [
        f"{low:g} to {high:g} ({np.searchsorted(was, high) - np.searchsorted(was, low)} bins)"
        for low, high in itertools.pairwise(ends)
        if np.searchsorted(was, high) - np.searchsorted(was, low) > 1
    ]
    before = str(selection.cube.attrs.get("merged", ""))
    now = f"{along}: {', '.join(together) or 'none'}"
    cube = made.cube.assign_attrs(attrs | {"merged": f"{before}; {now}" if before else now, "outside": 0})
    cube = cube.assign_coords({name: cube[name].assign_attrs(units=unit) for name, unit in units.items()})
    lost = failed(selection, along, ends)
    cube = cube if lost is None else cube.assign(n_failed=lost.transpose(*edges))
    return replace(made, cube=cube, trials=selection.trials)


def rows_of_hosts(selection: SelectionFunction) -> pd.DataFrame:
    """One row for each host in each cell: axes (centres), host, tried, found, weight."""
    hosts = selection.hosts
    if hosts is None:
        raise InputError(
            "merge: the counts do not say which hosts cells share; make the selection function of trials "
            "(from_table, from_run)"
        )
    first, *others = selection.edges
    i, row = np.nonzero(hosts.injected)
    sides = [selection.edges[name].size - 1 for name in others]
    places = np.unravel_index(hosts.column[row], sides) if sides else ()
    middle = {name: (ends[1:] + ends[:-1]) / 2 for name, ends in selection.edges.items()}
    table = {first: middle[first][i]} | {name: middle[name][place] for name, place in zip(others, places)}
    return pd.DataFrame(
        table
        | {
            "host": hosts.name[row],
            "tried": hosts.injected[i, row],
            "found": hosts.detected[i, row],
            "weight": hosts.weight[row],
        }
    )


def failed(selection: SelectionFunction, along: str, edges: np.ndarray) -> xr.DataArray | None:
    """Failed trials of the merged cells."""
    if "n_failed" not in selection.cube:
        return None
    order = (along, *(name for name in selection.edges if name != along))
    starts = np.searchsorted(selection.edges[along], edges[:-1])
    summed = np.add.reduceat(selection.cube["n_failed"].transpose(*order).values, starts, axis=0)
    return xr.DataArray(summed, dims=order)
