"""Cubes whose axes have names of their own: from counts host by host, and from counts of cells alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import config, schema
from lenscal.arguments import columns, in_unit
from lenscal.completeness.posterior import STATUS
from lenscal.errors import InputError
from lenscal.kernels import intervals, recovery

OWN = "each trial its own"
HOSTS = "hosts"
"""Name of the counts of hosts where none is given; without it each trial has its own."""


@dataclass(frozen=True, eq=False)
class HostCounts:
    """Trials and detections of each host in each cell; a host with other conditions is another row.

    Attributes
    ----------
    name : (row,) array
        Of the host.
    column : (row,) int array
        Cell of its conditions: all axes but the first, flattened.
    injected, detected : (first axis, row) int arrays
    weight : (row,) array
    """

    name: np.ndarray
    column: np.ndarray
    injected: np.ndarray
    detected: np.ndarray
    weight: np.ndarray


def hosts_of(counts: xr.Dataset, threshold: int = 0, population: int = 0) -> HostCounts | None:
    """Host counts of a cube or of what `completeness.count` makes; None where it has none."""
    if "host_injected" not in counts or not counts.sizes["host"]:
        return None
    seeing, depth = counts["psf_fwhm"].values, counts["depth"].values
    i = np.searchsorted(seeing, counts["host_psf_fwhm"].values)
    j = np.searchsorted(depth, counts["host_depth"].values)
    weight = counts["host_weight"].transpose("population", "host").values if "host_weight" in counts else None
    return HostCounts(
        counts["host_id"].values,
        i * depth.size + j,
        counts["host_injected"].transpose("theta_e", "host").values,
        counts["host_detected"].transpose("theta_e", "threshold", "host").values[:, threshold],
        np.ones(i.size) if weight is None else weight[min(population, len(weight) - 1)],
    )


def named(cube: xr.Dataset, edges: Mapping[str, np.ndarray], units: Mapping[str, str]) -> xr.Dataset:
    """The cube with the axes that were asked for instead of those that stood for them."""
    first, *others = edges
    sides = [edges[name].size - 1 for name in others]
    one = cube.drop_dims(["host", "population"], errors="ignore").isel(threshold=0, depth=0, drop=True)
    out = {}
    for name, array in one.data_vars.items():
        rest = [dim for dim in array.dims if dim not in ("theta_e", "psf_fwhm")]
        values = array.transpose("theta_e", "psf_fwhm", *rest).values
        shape = (values.shape[0], *sides, *values.shape[2:])
        out[name] = ((first, *others, *rest), values.reshape(shape), array.attrs)
    kept = {name: one[name].variable for name in ("quantile", "level")}
    return xr.Dataset(
        out, {**centres(edges, units), **kept}, {name: v for name, v in cube.attrs.items() if name != "population"}
    )


def centres(edges: Mapping[str, np.ndarray], units: Mapping[str, str]) -> dict[str, tuple]:
    """Coordinates of the axes."""
    middle = lambda ends: (ends[1:] + ends[:-1]) / 2 if np.isfinite(ends).all() else np.zeros(ends.size - 1)  # noqa: E731
    return {name: (name, middle(ends), {"units": units[name]}) for name, ends in edges.items()}


def counted(
    counts: pd.DataFrame | xr.Dataset | xr.DataArray, k: object, n: object, hosts: object
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], dict[str, str]]:
    """Arrays k, n and hosts over the cells, the edges of the axes, and their units.

    Raises
    ------
    InputError
        As in `SelectionFunction.from_counts`.
    """
    if isinstance(hosts, str) and hosts == HOSTS and hosts not in counts:
        hosts = None
    if isinstance(counts, pd.DataFrame):
        given = [name for name in (k, n, hosts) if isinstance(name, str)]
        columns("from_counts: the table", counts, given)
        axes = [str(name) for name in counts.columns if name not in given]
        if not axes or (bad := [name for name in axes if not pd.api.types.is_numeric_dtype(counts[name])]):
            raise InputError(
                f"from_counts: the column {', '.join(bad) if axes else 'of an axis'} "
                f"{'holds no numbers' if axes else 'is missing'}; expected the centres of the cells along each axis, "
                "and k, n and hosts"
            )
        if (again := counts.duplicated(axes)).any():
            raise InputError(
                f"from_counts: {int(again.sum())} of {len(counts)} rows repeat a cell; expected one row a cell"
            )
        if counts[axes].isna().any(axis=None):
            raise InputError("from_counts: a cell has NaN along an axis; leave such rows out")
        if counts[given].isna().any(axis=None):
            where = counts[given].isna().any().idxmax()
            raise InputError(
                f"from_counts: {where} is not finite in {int(counts[where].isna().sum())} cells; leave such rows out, "
                "a cell without a row has no data"
            )
        array = counts.set_index(axes)[given].astype(float).to_xarray().fillna(0).sortby(axes)
    elif isinstance(counts, xr.DataArray):
        if isinstance(n, str):
            raise InputError("from_counts: a DataArray holds the detections alone; give n= (and hosts=) as arrays too")
        array = xr.Dataset({"k": counts})
        k = "k"
    else:
        array = counts
    values = {}
    dims = array[k].dims if isinstance(k, str) and k in array else tuple(array.dims)
    for name, which in (("k", k), ("n", n), ("hosts", hosts)):
        if which is None:
            continue
        if isinstance(which, str) and which not in array:
            raise InputError(f"from_counts: there is no '{which}'; there are {', '.join(map(str, array))}")
        values[name] = _over(name, array[which] if isinstance(which, str) else which, array, dims)
    if bare := [str(dim) for dim in dims if dim not in array.coords]:
        raise InputError(f"from_counts: {bare[0]} has no coordinate; give the centres of its cells")
    units = {str(dim): str(array[dim].attrs.get("units", "1")) for dim in dims}
    return values, {str(dim): _edges(str(dim), array[dim]) for dim in dims}, units


def _over(name: str, which: object, array: xr.Dataset, dims: tuple) -> np.ndarray:
    if not isinstance(which, xr.DataArray):
        try:
            return np.broadcast_to(in_unit(f"from_counts: {name}", which, "1"), tuple(array.sizes[dim] for dim in dims))
        except ValueError:
            raise InputError(f"from_counts: {name} has another shape than the cells") from None
    if set(which.dims) - set(dims):
        raise InputError(f"from_counts: {name} runs along {', '.join(map(str, which.dims))}, the cells along {dims}")
    try:
        like = xr.align(array[list(dims)], which, join="exact")[1]
    except ValueError:
        raise InputError(f"from_counts: {name} is of other cells; expected the same coordinates") from None
    shape = {dim: array.sizes[dim] for dim in dims}
    return (
        like.astype(float).expand_dims({d: s for d, s in shape.items() if d not in like.dims}).transpose(*dims).values
    )


def _edges(name: str, axis: xr.DataArray) -> np.ndarray:
    """Edges half way between the centres; a single cell needs its half_width."""
    values = np.asarray(axis.values, float)
    if values.size > 1 and not (np.diff(values) > 0).all():
        raise InputError(f"from_counts: the centres along {name} do not rise")
    half = axis.attrs.get("half_width")
    if half is None and values.size == 1:
        raise InputError(
            f"from_counts: there is one cell along {name}, at {values[0]:g}, and nothing says how wide it is; leave "
            f"the axis out, or give its half_width: table.to_xarray()['{name}'].attrs['half_width'] = ..."
        )
    low, high = (half, half) if half is not None else ((values[1] - values[0]) / 2, (values[-1] - values[-2]) / 2)
    return np.round([values[0] - low, *(values[1:] + values[:-1]) / 2, values[-1] + high], 9)


def cube_of_counts(
    values: Mapping[str, np.ndarray],
    edges: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    correlation: float,
    settings: config.Completeness,
) -> xr.Dataset:
    """The cube of counts of cells, without their hosts: the design effect of equal hosts with a given correlation."""
    k, n = values["k"], values["n"]
    hosts = values.get("hosts", n)
    with np.errstate(divide="ignore", invalid="ignore"):
        effect = np.where(n > 0, np.maximum(1 + (n / hosts - 1) * correlation, 1), np.nan)
        n_effective = np.where(n > 0, n / effect, 0.0)
        share = np.where(n > 0, k / n, np.nan)
    found = np.where(k == n, n_effective, n_effective * np.nan_to_num(share))
    ends = [intervals.interval(found, n_effective, level, settings.prior, settings.interval) for level in schema.LEVELS]
    told = (n > 0) & ((hosts >= recovery.HOSTS_MIN) | (hosts == n))
    enough = (n >= settings.trials_min) & (hosts >= settings.hosts_min)
    dims = tuple(edges)
    over = lambda end: np.where(told, end, np.nan)  # noqa: E731
    data = {
        "n_injected": (dims, n.astype(np.int64)),
        "n_detected": (dims, k.astype(np.int64)),
        "n_hosts": (dims, hosts.astype(np.int64)),
        "n_effective": (dims, n_effective),
        "design_effect": (dims, effect),
        "hosts_effective": (dims, np.asarray(hosts, float)),
        "fraction_detected": (dims, share),
        "completeness": (
            (*dims, "quantile"),
            intervals.quantiles(found, n_effective, schema.QUANTILES, settings.prior),
        ),
        "lower": ((*dims, "level"), np.stack([over(low) for low, _ in ends], -1)),
        "upper": ((*dims, "level"), np.stack([over(high) for _, high in ends], -1)),
        "sufficient": (dims, enough),
        "status": (dims, np.array(STATUS, object)[np.where(n > 0, 1 + enough, 0)]),
    }
    coords = {**centres(edges, units), "quantile": list(schema.QUANTILES), "level": list(schema.LEVELS)}
    attrs = {
        "binomial_prior": settings.prior,
        "interval": settings.interval,
        "correlation": correlation,
        "hosts": OWN if "hosts" not in values else "given by cell, without their trials",
    }
    return xr.Dataset(data, coords, attrs)


def possible(values: Mapping[str, np.ndarray]) -> None:
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise InputError(f"from_counts: {name} is not finite in {int((~np.isfinite(array)).sum())} cells")
        if ((array < 0) | (array != np.round(array))).any():
            raise InputError(f"from_counts: {name} holds other than whole numbers of 0 or more")
    k, n = values["k"], values["n"]
    if (k > n).any():
        raise InputError(
            f"from_counts: {int((k > n).sum())} cells have more found than tried (first: {k[k > n][0]:g} of "
            f"{n[k > n][0]:g}); expected k at most n"
        )
    if "hosts" in values and ((values["hosts"] > n) | ((values["hosts"] == 0) & (n > 0))).any():
        raise InputError("from_counts: a cell has more hosts than trials, or trials without a host")


def checked_unit(name: str, given: ArrayLike, unit: str) -> np.ndarray:
    """Numbers along an axis in its unit; labelled ones say theirs in `attrs`."""
    attrs = getattr(given, "attrs", {})
    if "units" in attrs and not hasattr(given, "unit") and str(attrs["units"]) not in ("1", ""):
        from astropy import units

        theirs = str(attrs["units"])
        if theirs != unit:
            try:
                given = units.Quantity(in_unit(name, given, "1"), "mag" if theirs.startswith("mag") else theirs)
            except (ValueError, TypeError):
                raise InputError(f"{name} is in '{theirs}', which is no unit; expected {unit}") from None
    return in_unit(name, given, unit)


def settings_of(cube: xr.Dataset) -> config.Completeness:
    """Settings of the posterior that a cube was made with, those of a run where it does not say."""
    names = {
        "prior": "binomial_prior",
        "interval": "interval",
        "trials_min": "trials_min",
        "hosts_min": "hosts_min",
        "hosts_effective_min": "hosts_effective_min",
    }
    given = {key: cube.attrs[name] for key, name in names.items() if name in cube.attrs}
    return config.Completeness.model_validate(given)
