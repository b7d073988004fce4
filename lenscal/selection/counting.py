"""Trials counted in the bins of a selection function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import schema
from lenscal.arguments import finite, in_unit
from lenscal.completeness.counts import SURVEY
from lenscal.errors import InputError

TAKEN = ("quantile", "level", "threshold", "population", "host", "status", "completeness", "lower", "upper")
"""Names that a cube has for something else."""
FLOAT_EXACT = 2**53
"""Whole numbers up to here are floats, too."""


def _edges(axes: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    if not isinstance(axes, Mapping) or not axes:
        raise InputError(
            "completeness: axes are missing; expected the edges of the bins of one column or more: "
            "{'theta_e': [0.5, 1.0, 1.5]}"
        )
    if taken := [name for name in axes if name in TAKEN]:
        raise InputError(f"completeness: an axis is called {taken[0]}, as a part of every cube is; rename the column")
    out = {}
    for name, given in axes.items():
        edges = in_unit(f"completeness: the edges of {name}", given, str(getattr(given, "unit", "1") or "1"))
        if edges.ndim != 1 or edges.size < 2 or not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            raise InputError(
                f"completeness: the edges of {name} are {np.array2string(edges, threshold=6)}, "
                "expected two rising numbers or more"
            )
        out[str(name)] = edges
    return out


def outcomes(table: pd.DataFrame, found: str, trials: str | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trials, found ones, and failed ones of each row."""
    try:
        k = table[found].to_numpy(float, na_value=np.nan)
    except (TypeError, ValueError):
        raise InputError(
            f"completeness: the column '{found}' holds {table[found].iloc[0]!r}, expected true or false, or 1 or 0"
        ) from None
    if trials is None:
        if wrong := int((~(np.isnan(k) | (k == 0) | (k == 1))).sum()):
            raise InputError(
                f"completeness: {wrong} of {len(k)} rows of '{found}' are neither found (1) nor missed (0); where "
                "rows count several trials, name their column: trials=..."
            )
        lost = np.isnan(k)
        return (~lost).astype(np.int64), np.where(lost, 0, k).astype(np.int64), lost.astype(np.int64)
    n = finite(f"completeness: '{trials}'", in_unit(f"completeness: '{trials}'", table[trials].to_numpy(), "1"))
    finite(f"completeness: '{found}'", k)
    for name, values in ((trials, n), (found, k)):
        if ((values < 0) | (values != np.round(values))).any():
            raise InputError(
                f"completeness: '{name}' holds {values[np.argmax((values < 0) | (values != np.round(values)))]:g}, "
                "expected whole numbers of 0 or more"
            )
    if (k > n).any():
        row = int(np.argmax(k > n))
        raise InputError(
            f"completeness: row {row} has {k[row]:g} found of {n[row]:g} trials ({int((k > n).sum())} such rows); "
            "expected found at most trials"
        )
    return n.astype(np.int64), k.astype(np.int64), np.zeros(len(n), np.int64)


def bins(
    values: Mapping[str, np.ndarray], edges: Mapping[str, np.ndarray]
) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Bin of each value along each axis, and whether it is in one on all."""
    places, inside = [], np.ones(len(next(iter(values.values()))), bool)
    for name, ends in edges.items():
        places.append(np.clip(np.searchsorted(ends, values[name], "right") - 1, 0, ends.size - 2))
        inside &= (values[name] >= ends[0]) & (values[name] < ends[-1])
    return tuple(places), inside


def _places(table: pd.DataFrame, edges: Mapping[str, np.ndarray]) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    return bins(
        {
            name: finite(f"completeness: '{name}'", in_unit(f"completeness: '{name}'", table[name].to_numpy(), "1"))
            for name in edges
        },
        edges,
    )


def _counts(
    table: pd.DataFrame,
    places: Sequence[np.ndarray],
    inside: np.ndarray,
    n: np.ndarray,
    k: np.ndarray,
    failed: np.ndarray,
    edges: Mapping[str, np.ndarray],
    host: str | None,
    weight: str | None,
) -> xr.Dataset:
    """Counts as `completeness.count` makes them: the first axis stands for theta_e, the cells of all
    others together for psf_fwhm.
    """
    sides = [ends.size - 1 for ends in edges.values()]
    column = (
        np.ravel_multi_index([place[inside] for place in places[1:]], sides[1:])
        if len(sides) > 1
        else np.zeros(int(inside.sum()), int)
    )
    row, n, k, failed = places[0][inside], n[inside], k[inside], failed[inside]
    names = np.arange(len(table)) if host is None else _codes(table[host], host)
    pairs, own = np.unique(np.stack([column, names[inside]], 1), axis=0, return_inverse=True)
    own, shape = own.ravel(), (sides[0], len(pairs))

    def put(numbers: np.ndarray, place: tuple, shape: tuple) -> np.ndarray:
        total = np.bincount(np.ravel_multi_index(place, shape), numbers, int(np.prod(shape)))
        return total.reshape(shape).astype(np.int64)

    injected, detected = put(n, (row, own), shape), put(k, (row, own), shape)
    weights = _weights(table, weight, inside, own, len(pairs))
    used = injected.any(0)
    pairs, injected, detected, weights = pairs[used], injected[:, used], detected[:, used], weights[used]
    cells = (sides[0], int(np.prod(sides[1:])))
    of_cell = lambda values: (schema.CELL, put(values, (row, column), cells)[:, :, None])  # noqa: E731
    hosts = np.stack([(injected[:, pairs[:, 0] == j] > 0).sum(1) for j in range(cells[1])], 1)
    found = put(k, (row, column), cells)
    first = next(iter(edges.values()))
    return xr.Dataset(
        {
            "n_injected": of_cell(n),
            "n_failed": of_cell(failed),
            "n_hosts": (schema.CELL, hosts[:, :, None]),
            "n_detected": ((*schema.CELL, "threshold"), found[:, :, None, None]),
            "host_injected": (("theta_e", "host"), injected),
            "host_detected": (("theta_e", "threshold", "host"), detected[:, None]),
            "host_weight": (("population", "host"), weights[None]),
        },
        coords={
            "theta_e": ("theta_e", (first[1:] + first[:-1]) / 2),
            "psf_fwhm": ("psf_fwhm", np.arange(cells[1], dtype=float)),
            "depth": ("depth", [0.0]),
            "threshold": ("threshold", [np.nan]),
            "false_positive_rate": ("threshold", [np.nan]),
            "population": ("population", [SURVEY]),
            "host_id": ("host", pairs[:, 1]),
            "host_psf_fwhm": ("host", pairs[:, 0].astype(float)),
            "host_depth": ("host", np.zeros(len(pairs))),
        },
    )


def _codes(hosts: pd.Series, name: str) -> np.ndarray:
    if hosts.dtype.kind == "f" and (many := int((hosts.abs() > FLOAT_EXACT).sum())):
        raise InputError(
            f"completeness: {many} of {len(hosts)} rows of '{name}' are floats beyond 2^53, where neighbouring ids are "
            "one number, so that hosts would be merged; read the column as whole numbers (int64) or as text"
        )
    try:
        codes, _ = pd.factorize(hosts, sort=True)  # the order of hosts deals them into halves: not that of the rows
    except TypeError:  # names of several kinds have no order of their own
        codes, _ = pd.factorize(hosts.astype(str), sort=True)
        codes = np.where(hosts.isna(), -1, codes)
    if (codes < 0).any():
        raise InputError(
            f"completeness: {int((codes < 0).sum())} of {len(codes)} rows have no '{name}'; name the host of each "
            "trial, or pass host=None where each has its own"
        )
    return codes


def _weights(table: pd.DataFrame, weight: str | None, inside: np.ndarray, own: np.ndarray, count: int) -> np.ndarray:
    if weight is None:
        return np.ones(count)
    given = finite(f"completeness: '{weight}'", in_unit(f"completeness: '{weight}'", table[weight].to_numpy(), "1"))[
        inside
    ]
    if (given < 0).any():
        raise InputError(
            f"completeness: {int((given < 0).sum())} rows of '{weight}' are negative, expected weights of 0 or more"
        )
    first = np.empty(count)
    first[own[::-1]] = given[::-1]
    if not np.allclose(given, first[own], rtol=1e-9, atol=0):
        raise InputError(
            f"completeness: '{weight}' changes within a host of one cell; expected one weight for each "
            "host, the same in all its trials"
        )
    return first
