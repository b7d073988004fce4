"""Completeness by other axes than seeing and depth: any column of the trials, in bins or classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, grid, schema
from lenscal.completeness.counts import SURVEY, add
from lenscal.completeness.merging import merged
from lenscal.completeness.posterior import posteriors
from lenscal.errors import InputError

_COLUMNS_MAX = 10_000  # cells of the other axes: more would have no trials, and no memory


def by_axes(
    trials: pd.DataFrame,
    found: Mapping[float, str],
    weight: Mapping[str, str],
    theta_e: np.ndarray,
    axes: Mapping[str, Sequence[float] | None],
    settings: config.Completeness,
) -> xr.Dataset:
    """The cube along theta_e and other axes.

    Parameters
    ----------
    trials : DataFrame
        As from `found_missed`: theta_e_drawn, galaxy_id, the columns of the axes and of what is named below.
    found : mapping of float to str
        Column with 1 found, 0 missed, NaN failed, by its threshold, in the order that the cube has.
    weight : mapping of str to str
        Column with the weight of a trial's host in each population of hosts, by its name; empty counts each trial once.
    theta_e : (n + 1,) array
        Edges of the bins of theta_e [arcsec].
    axes : mapping
        Edges of the bins of each further axis, which hold their lower edge; None takes each value (a text) as a class.
    settings : config.Completeness
        With `merge_below`, neighbouring bins of the last axis are put together until they hold as many trials; classes
        of a text have no neighbours, and stay apart.

    Returns
    -------
    Dataset (theta_e, *axes, threshold)
        As from `posteriors`, bins by their centres with `edges` in their attributes; `outside` in the attributes counts
        the trials that are in no bin of some axis.

    Raises
    ------
    InputError
        An axis that is no column, edges that do not rise, classes of too many values, or no trial within.
    """
    labels, places, sides = {}, [], []
    ordered = True
    for name, edges in axes.items():
        labels[name], place = _placed(trials, name, edges)
        places.append(place)
        sides.append(len(labels[name]))
        ordered = edges is not None or pd.api.types.is_numeric_dtype(trials[name])  # of the last axis
    _not_too_many(sides)
    row = grid.place(theta_e, trials["theta_e_drawn"].to_numpy(float))
    inside = (row >= 0) & (row < len(theta_e) - 1) & np.all([place >= 0 for place in places], axis=0)
    if not inside.any():
        raise InputError(f"completeness.axes: none of {len(trials):,} trials lies in the bins of {', '.join(axes)}")
    column = np.ravel_multi_index([place[inside] for place in places], sides)
    counts = _counts(trials[inside], row[inside], column, theta_e, int(np.prod(sides)), found, weight)
    if settings.merge_below:
        cube = merged(counts, settings, runs=sides[-1] if ordered else 1)
    else:
        cube = posteriors(counts, settings).drop_dims("host")
    return _unfolded(cube, labels, sides).assign_attrs(outside=int((~inside).sum()))


def _not_too_many(sides: Sequence[int]) -> None:
    if np.prod(sides) > _COLUMNS_MAX:
        raise InputError(f"completeness.axes: {np.prod(sides):,} cells; expected {_COLUMNS_MAX:,} at most: fewer bins")


def check(axes: Mapping[str, Sequence[float] | None]) -> None:
    """Refuse axes that no trials can have, before there are any; how many classes a column holds is known with them.

    Raises
    ------
    InputError
        A text is given edges, or the bins are too many.
    """
    for name, edges in axes.items():
        variable = schema.INJECTIONS.variables.get(name)
        if edges is not None and variable is not None and variable.dtype == "str":
            raise InputError(_TEXT.format(name=name))
    _not_too_many([1 if edges is None else len(edges) - 1 for edges in axes.values()])


_TEXT = "completeness.axes: '{name}' is text, which has no edges; write null to have its classes"


def _placed(trials: pd.DataFrame, name: str, edges: Sequence[float] | None) -> tuple[xr.Variable, np.ndarray]:
    """Labels of the bins or classes of an axis, and that of each trial; -1 in none."""
    if name not in trials:
        known = sorted(one for one in trials if one not in ("galaxy_id", "injection_id"))
        raise InputError(f"completeness.axes: '{name}' is no column of the trials, which have {', '.join(known)}")
    values = trials[name]
    if edges is None:
        text = values.astype(str).where(values.notna(), "")
        if pd.api.types.is_numeric_dtype(values):
            classes = values[values.notna()].drop_duplicates().sort_values().astype(str).tolist()
        else:
            classes = sorted(set(text) - {""})
        if not 0 < len(classes) <= 50:
            raise InputError(
                f"completeness.axes: '{name}' has {len(classes)} values; expected 1 to 50 classes, or give edges"
            )
        labels = xr.Variable(name, np.array(classes, np.dtypes.StringDType()), {"long_name": f"class of {name}"})
        return labels, text.map({one: place for place, one in enumerate(classes)}).fillna(-1).to_numpy(np.int64)
    ends = np.asarray(edges, float)
    if not pd.api.types.is_numeric_dtype(values):
        raise InputError(_TEXT.format(name=name))
    if ends.size < 2 or not np.isfinite(ends).all() or not (np.diff(ends) > 0).all():
        raise InputError(
            f"completeness.axes: the edges of '{name}' are {ends.tolist()}; expected two or more that rise"
        )
    place = grid.place(ends, values.to_numpy(float))
    place = np.where((place >= 0) & (place < ends.size - 1), place, -1)
    return xr.Variable(name, (ends[1:] + ends[:-1]) / 2, {"edges": ends.tolist()}), place


def _counts(
    trials: pd.DataFrame,
    row: np.ndarray,
    column: np.ndarray,
    theta_e: np.ndarray,
    columns: int,
    found: Mapping[float, str],
    weight: Mapping[str, str],
) -> xr.Dataset:
    """Counts as `completeness.count` makes them, the cells of all other axes along psf_fwhm."""
    order = list(found)
    outcome = np.stack([trials[found[threshold]].to_numpy(float) for threshold in order])
    scored = np.isfinite(outcome[0])
    pairs, host = np.unique(np.stack([column, trials["galaxy_id"].to_numpy(np.int64)]), axis=1, return_inverse=True)
    host = host.ravel()
    rows, hosts = len(theta_e) - 1, pairs.shape[1]

    def total(place: np.ndarray, size: int, numbers: np.ndarray) -> np.ndarray:
        flat = np.bincount(row * size + place, numbers.astype(float), rows * size)
        return flat.reshape(rows, size).astype(np.int64)

    hit = np.nan_to_num(outcome)
    first = np.full(hosts, len(trials), np.int64)
    np.minimum.at(first, host, np.arange(len(trials)))
    names = list(weight) or [SURVEY]
    weights = np.stack([trials[weight[name]].to_numpy(float)[first] if weight else np.ones(hosts) for name in names])
    cell = lambda array: array[:, :, None]  # noqa: E731
    data = {
        "n_injected": (schema.CELL, cell(total(column, columns, scored))),
        "n_failed": (schema.CELL, cell(total(column, columns, ~scored))),
        "n_detected": ((*schema.CELL, "threshold"), np.stack([cell(total(column, columns, one)) for one in hit], -1)),
        "host_injected": (("theta_e", "host"), total(host, hosts, scored)),
        "host_detected": (("theta_e", "threshold", "host"), np.stack([total(host, hosts, one) for one in hit], 1)),
        "host_weight": (("population", "host"), np.where(np.isfinite(weights), weights, 0.0)),
    }
    coords = {
        "theta_e": ("theta_e", np.round((theta_e[1:] + theta_e[:-1]) / 2, 9), {"units": "arcsec"}),
        "psf_fwhm": np.arange(columns, dtype=float),
        "depth": [0.0],
        "threshold": order,
        "population": names,
        "host_id": ("host", pairs[1]),
        "host_psf_fwhm": ("host", pairs[0].astype(float)),
        "host_depth": ("host", np.zeros(hosts)),
    }
    return add(xr.Dataset(data, coords))


def _unfolded(cube: xr.Dataset, labels: Mapping[str, xr.Variable], sides: Sequence[int]) -> xr.Dataset:
    """The cube with the axes that were asked for."""
    cube = cube.isel(depth=0, drop=True)
    out = {}
    for name, array in cube.data_vars.items():
        if "psf_fwhm" not in array.dims:
            out[name] = array.variable
            continue
        at = array.dims.index("psf_fwhm")
        dims = (*array.dims[:at], *labels, *array.dims[at + 1 :])
        out[name] = (dims, array.values.reshape(*array.shape[:at], *sides, *array.shape[at + 1 :]), array.attrs)
    coords = {name: array.variable for name, array in cube.coords.items() if "psf_fwhm" not in array.dims}
    return xr.Dataset(out, {**coords, **labels}, cube.attrs)
