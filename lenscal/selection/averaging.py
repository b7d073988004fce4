"""Completeness averaged over some axes: one number with one prior, with the covariance of cells that share hosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.completeness.averaging import refuse_merged
from lenscal.completeness.posterior import STATUS
from lenscal.cube import detected_of
from lenscal.errors import InputError
from lenscal.kernels import intervals, recovery, shares, stratified

from .cells import OWN, HostCounts

NAMES = {"area": "area", "hosts": "host_pool"}
Counts = tuple[np.ndarray, np.ndarray]


def average(
    cube: xr.Dataset,
    edges: Mapping[str, np.ndarray],
    hosts: HostCounts | None,
    over: tuple[str, ...],
    weights: str | xr.DataArray,
) -> xr.Dataset:
    """The cube without some of its axes.

    Parameters
    ----------
    cube, edges, hosts
        Of a `SelectionFunction`.
    over : tuple of str
        Axes that go.
    weights : str or DataArray
        As in `SelectionFunction.marginalise`.

    Returns
    -------
    Dataset
        As the cube, with `unknown`, `insufficient`, `bound_lower` and `bound_upper` as from `completeness.marginalise`.
    """
    refuse_merged(cube)
    if "design_effect" not in cube:
        raise InputError(
            "marginalise: the cube is an average or a combination already, without the counts of its cells; average "
            "over all axes at once, and combine before"
        )
    weight, outside, named = weights_of(cube, edges, over, weights)
    kept = [name for name in edges if name not in over]
    order = (*kept, *over)
    flat = lambda array: np.reshape(  # noqa: E731
        array.transpose(*order).values, (*(cube.sizes[name] for name in kept), -1)
    )
    w, n = flat(weight.broadcast_like(cube["n_injected"])), flat(cube["n_injected"]).astype(float)
    known = n > 0
    total = w.sum(-1) + outside
    share_of = lambda chosen: np.divide(  # noqa: E731
        (w * chosen).sum(-1), total, out=np.full(np.shape(total), np.nan), where=total > 0
    )
    unknown = 1 - share_of(known)
    enough = flat(cube["sufficient"].astype(bool))
    own = cube.attrs.get("hosts") == OWN
    shared = not own and _shared(hosts, edges, over, w, known)
    told, at = _clustered(cube, edges, hosts, over, w * known) if shared else _independent(cube, edges, over, w, flat)
    out = _described(cube, at, told, kept)
    lower, upper = (np.moveaxis(out[end].transpose(*kept, "level").values, -1, 0) for end in ("lower", "upper"))
    insufficient = share_of(known & ~enough)
    part = np.nan_to_num(1 - unknown)
    status = np.where(unknown >= 1, 0, 1 + (insufficient <= 0.5 * part))
    put = lambda values: (tuple(kept), values, {"units": "1"})  # noqa: E731
    bound = lambda ends: (("level", *kept), np.stack(list(ends)), {"units": "1"})  # noqa: E731
    return out.assign(
        n_injected=(tuple(kept), n.sum(-1).astype(np.int64)),
        unknown=put(unknown),
        insufficient=put(insufficient),
        bound_lower=bound(part * np.where(unknown < 1, low, 0) for low in lower),
        bound_upper=bound(part * np.where(unknown < 1, high, 0) + np.nan_to_num(unknown, nan=1) for high in upper),
        sufficient=(tuple(kept), status == 2),
        status=(tuple(kept), np.array(STATUS, object)[status]),
    ).assign_attrs(weights=named, averaged_over=", ".join(over), covariance="by host" if shared else "independent")


def weights_of(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], over: tuple[str, ...], weights: str | xr.DataArray
) -> tuple[xr.DataArray, float, str]:
    """Weight of each cell, weight outside of the grid, and what the weights are called; what cannot be averaged is
    refused.
    """
    if not over or set(over) - set(edges) or len(set(over)) < len(over):
        raise InputError(f"marginalise: over is {', '.join(over) or 'empty'}, expected axes of {', '.join(edges)}")
    if isinstance(weights, xr.DataArray):
        return _own_weights(cube, edges, over, weights), 0.0, str(weights.name or "given")
    if not isinstance(weights, str) or weights not in NAMES:
        raise InputError(f"marginalise: weights is {weights!r}, expected 'area', 'hosts' or a DataArray over {over}")
    if NAMES[weights] not in cube:
        raise InputError(
            f"marginalise: the cube has no '{NAMES[weights]}', which a run has; give the weight of each cell as a "
            f"DataArray over {', '.join(over)}"
        )
    weight = cube[NAMES[weights]].astype(float)
    if lacking := set(over) - set(map(str, weight.dims)):
        raise InputError(
            f"marginalise: '{NAMES[weights]}' does not say how much there is of each {', '.join(sorted(lacking))}; "
            "give the weight of each cell as a DataArray"
        )
    if not float(weight.sum()) > 0:
        other = "hosts" if weights == "area" else "area"
        raise InputError(f"marginalise: '{NAMES[weights]}' of the cube is 0 everywhere; weigh by {other}")
    both = weights == "area" and set(over) >= set(map(str, weight.dims))
    outside = cube.attrs.get("area_total", 0.0) - cube.attrs.get("area_inside", 0.0) if both else 0.0
    return weight, float(outside), weights


def _own_weights(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], over: tuple[str, ...], weights: xr.DataArray
) -> xr.DataArray:
    strange, lacking = set(map(str, weights.dims)) - set(edges), set(over) - set(map(str, weights.dims))
    if strange or lacking:
        raise InputError(
            f"marginalise: the weights run along {', '.join(map(str, weights.dims)) or 'nothing'}, expected "
            f"{', '.join(over)} (and other axes of {', '.join(edges)} if they differ there)"
        )
    for name in map(str, weights.dims):
        if weights.sizes[name] != cube.sizes[name] or (
            name in weights.coords and not np.allclose(weights[name], cube[name], rtol=0, atol=1e-6)
        ):
            raise InputError(f"marginalise: the weights are of other cells along {name} than the selection function")
    values = weights.values.astype(float)
    if not np.isfinite(values).all() or (values < 0).any() or not values.sum() > 0:
        raise InputError("marginalise: the weights are not finite numbers of 0 or more with a sum above 0")
    return weights.astype(float).drop_vars(list(weights.coords))


def _shared(
    hosts: HostCounts | None, edges: Mapping[str, np.ndarray], over: tuple[str, ...], w: np.ndarray, known: np.ndarray
) -> bool:
    """Whether cells that are averaged share hosts: along the first axis, or where a host has several conditions.

    Raises
    ------
    InputError
        They do along the first axis, and nothing says which.
    """
    first = next(iter(edges))
    several = bool((((w > 0) & known).sum(-1) > 1).any())
    if hosts is None:
        if first in over and several and len(edges[first]) > 2:
            raise InputError(
                f"marginalise: cells along {first} share hosts, and these counts do not say which; average over other "
                "axes, or make the selection function of trials (from_table, from_run)"
            )
        return False
    if first in over:
        return several
    names = hosts.name[hosts.injected.any(0)]
    return len(edges) > 1 and several and np.unique(names).size < names.size


def _independent(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], over: tuple[str, ...], w: np.ndarray, flat: Callable
) -> tuple:
    """Effective counts of averages over cells with hosts of their own, as `completeness.marginalise` has them."""
    first = next(iter(edges))
    axes = tuple(edges)
    number = cube["hosts_effective" if "hosts_effective" in cube else "n_hosts"].transpose(*axes).values.astype(float)
    own = cube.attrs.get("hosts") == OWN
    rows = np.maximum(number - 1, 0).reshape(number.shape[0], -1).sum(1)
    freedom = xr.DataArray(rows, dims=first)
    known = flat(cube["n_injected"]) > 0
    few = ((w * known * (flat(cube[list(axes)].assign(h=(axes, number))["h"]) < recovery.HOSTS_MIN)).sum(-1)) > 0.5 * (
        w * known
    ).sum(-1)
    told = np.broadcast_to(own | (recovery.told(number.reshape(number.shape[0], -1)) & ~few), few.shape)

    def at(level: float) -> Counts:
        effect = cube["design_effect"]
        if level:
            effect = xr.apply_ufunc(recovery.widened, effect, freedom, level)
        with np.errstate(invalid="ignore"):
            mean, trials = shares.mean(
                w, flat(detected_of(cube).broadcast_like(effect)), flat(cube["n_injected"]), flat(effect)
            )
        return mean, np.nan_to_num(trials)

    return told, at


def _clustered(
    cube: xr.Dataset, edges: Mapping[str, np.ndarray], hosts: HostCounts | None, over: tuple[str, ...], w: np.ndarray
) -> tuple:
    """Effective counts of averages over cells that share hosts, their covariance told by the hosts."""
    assert hosts is not None
    names = tuple(edges)
    sides = [cube.sizes[name] for name in names]
    kept = [name for name in names if name not in over]
    shape = w.shape[:-1]
    full = np.moveaxis(
        w.reshape(*(cube.sizes[name] for name in (*kept, *over))),
        range(len(names)),
        [names.index(name) for name in (*kept, *over)],
    )
    rows, first = np.meshgrid(np.arange(hosts.column.size), np.arange(sides[0]))
    cell = (first * int(np.prod(sides[1:])) + hosts.column[rows]).ravel()
    n, k = hosts.injected.ravel().astype(float), hosts.detected.ravel().astype(float)
    of_host = hosts.weight[rows].ravel()
    mass = np.bincount(cell, n * of_host, int(np.prod(sides)))
    weight = np.divide(full.ravel(), mass, out=np.zeros(mass.size), where=mass > 0)[cell] * of_host
    _, host = np.unique(hosts.name, return_inverse=True)
    place = (
        np.ravel_multi_index([np.unravel_index(cell, sides)[names.index(name)] for name in kept], shape)
        if kept
        else np.zeros(cell.size, int)
    )
    said: list[stratified.Share | None] = []
    for i in range(int(np.prod(shape))):
        own = (place == i) & (weight > 0) & (n > 0)
        said.append(
            stratified.share(k[own], n[own], weight[own], host[rows.ravel()[own]], cell[own]) if own.any() else None
        )
    told = np.array([one is not None and one.hosts >= recovery.FREEDOM_MIN_LONE for one in said]).reshape(shape)

    def at(level: float) -> Counts:
        found = [stratified.counts(one, level) if one else (np.nan, 0.0) for one in said]
        mean = np.array([one.value if one else np.nan for one in said]).reshape(shape)
        return mean, np.array([trials for _, trials in found]).reshape(shape)

    return told, at


def _described(cube: xr.Dataset, at: Callable, told: np.ndarray, kept: list[str]) -> xr.Dataset:
    """Median, quantiles and intervals of effective counts."""
    prior, kind = cube.attrs.get("binomial_prior", "jeffreys"), cube.attrs.get("interval", "equal-tailed")

    def counts(level: float) -> Counts:
        mean, trials = at(level)
        trials = np.where(told, trials, 0.0) if level else trials
        return np.where(mean == 1, trials, np.nan_to_num(mean) * trials), trials

    ends = [intervals.interval(*counts(level), level, prior, kind) for level in schema.LEVELS]
    quantiles = [intervals.quantiles(*counts(round(abs(2 * q - 1), 9)), [q], prior)[..., 0] for q in schema.QUANTILES]
    mean, trials = at(0.0)
    dims = tuple(kept)
    coords = {name: cube[name].variable for name in (*kept, "quantile", "level")}
    data = {
        "fraction_detected": (dims, mean),
        "n_effective": (dims, trials),
        "completeness": ((*dims, "quantile"), np.stack(quantiles, -1)),
        "lower": ((*dims, "level"), np.stack([low for low, _ in ends], -1)),
        "upper": ((*dims, "level"), np.stack([high for _, high in ends], -1)),
    }
    return xr.Dataset({name: (*parts, {"units": "1"}) for name, parts in data.items()}, coords, cube.attrs)
