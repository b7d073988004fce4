"""Completeness: counts of recovered injections, what they say of the share recovered, and how to read it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.gates import Gate, absent
from lenscal.kernels import draws, intervals, recovery

ADDITIVE = ("n_injected", "n_failed", "n_detected")
PER_HOST = ("host_injected", "host_detected")
STATUS = ("no data", "insufficient", "sufficient")
_ABOUT = {
    "host_injected": "scored trials of the host",
    "host_detected": "of them, at or above the threshold",
    "host_id": "galaxy_id of the host",
    "host_psf_fwhm": "PSFSIZE_R of the host's cell, bin centre",
    "host_depth": "PSFDEPTH_R of the host's cell, bin centre",
}


def count(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset, settings: config.Completeness) -> xr.Dataset:
    """Trials and detections of every cell, and of every host in it.

    One (psf_fwhm, depth) cell is in memory at a time, so that stores of any size can be given as they are opened. Counts of
    disjoint parts (cells or trials) are put together by `add`.

    Parameters
    ----------
    injections : Dataset (theta_e, psf_fwhm, depth, trial)
        galaxy_id and failure, as in `schema.INJECTIONS`.
    scores : Dataset (theta_e, psf_fwhm, depth, trial)
        As `schema.SCORES_INJECTIONS`, with the attribute `detector_hash`.
    thresholds : Dataset (threshold)
        As from `scores.thresholds`, with the same `detector_hash`.
    settings : config.Completeness
        The rates that the thresholds must have been set for.

    Returns
    -------
    Dataset (theta_e, psf_fwhm, depth, threshold, host)
        n_injected, n_failed, n_hosts, n_detected; host_injected and host_detected with host_id, host_psf_fwhm and host_depth.

    Raises
    ------
    ValueError
        When the detector is unfrozen or another one, cells or hosts do not fit, or an injection with an image has no score.
    """
    schema.SCORES_INJECTIONS.check(scores)
    _check_parts(injections, scores, thresholds)
    requested = thresholds["rate_requested"].values.tolist() if "rate_requested" in thresholds else settings.false_positive_rates
    if requested != list(settings.false_positive_rates):
        raise ValueError(
            f"completeness: the thresholds were set for the rates {requested}, the settings name {settings.false_positive_rates}; run the stage scores again"
        )
    cells = [(i, j) for i in range(scores.sizes["psf_fwhm"]) for j in range(scores.sizes["depth"])]
    part = lambda dataset, i, j: dataset.isel(psf_fwhm=[i], depth=[j])  # noqa: E731
    if not cells:
        raise ValueError("completeness: there is no cell to count")
    return add(*(_count_cell(part(injections, i, j), part(scores, i, j), thresholds) for i, j in cells))


def _check_parts(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset) -> None:
    for name in ("galaxy_id", "failure"):
        problem = schema.INJECTIONS.variables[name].problem(name, injections[name]) if name in injections else f"'{name}' is missing"
        if problem:
            raise schema.SchemaError(f"{schema.INJECTIONS.name}: {problem}")
    for dim in schema.CELL:
        if not np.array_equal(injections[dim], scores[dim]):
            raise ValueError(f"completeness: scores and injections have other cells along {dim}; open both from one run")
    if injections.sizes["trial"] != scores.sizes["trial"]:
        raise ValueError(f"completeness: {scores.sizes['trial']} trials have scores, {injections.sizes['trial']} were injected; open both from one run")
    hashes = [str(dataset.attrs.get("detector_hash", "")) for dataset in (scores, thresholds)]
    if not all(hashes):
        which = "scores of injections" if not hashes[0] else "thresholds"
        raise ValueError(f"completeness: the {which} carry no detector_hash; a completeness needs the scores of a frozen detector")
    if hashes[0] != hashes[1]:
        raise ValueError(
            f"completeness: injections were scored by detector {hashes[0][:12]}, the thresholds were set with {hashes[1][:12]}; score both with one"
        )


def _count_cell(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset) -> xr.Dataset:
    order = ("psf_fwhm", "depth", "theta_e", "trial")
    value = lambda dataset, name: dataset[name].transpose(*order).values[0, 0]  # noqa: E731
    host, score = value(injections, "galaxy_id"), value(scores, "score")
    failed = value(injections, "failure").astype(object) != ""
    where = f"cell psf_fwhm {scores['psf_fwhm'].item():g}, depth {scores['depth'].item():g}"
    if not np.array_equal(host, value(scores, "galaxy_id")):
        raise ValueError(f"completeness: {where}: scores and injections have other hosts; open both from one run")
    if wrong := int(np.sum(np.isfinite(score) == failed)):
        raise ValueError(
            f"completeness: {where}: {wrong} trials have an image without a score, or a score without an image; run the stage scores again"
        )
    hosts, injected, detected = recovery.tally(host, score, thresholds["threshold"].values)
    cell = lambda array: array[:, None, None]  # noqa: E731
    n = injected.sum(1)
    data = {
        "n_injected": (schema.CELL, cell(n)),
        "n_failed": (schema.CELL, cell(score.shape[1] - n)),
        "n_detected": ((*schema.CELL, "threshold"), cell(detected.sum(2))),
        "host_injected": (("theta_e", "host"), injected),
        "host_detected": (("theta_e", "threshold", "host"), detected),
    }
    coords = {dim: scores[dim].variable for dim in schema.CELL} | {name: thresholds[name].variable for name in ("threshold", "false_positive_rate")}
    rates = {f"false_positive_rate_{end}": thresholds[end].variable for end in ("lower", "upper") if end in thresholds}
    if "level" in thresholds.coords:
        coords["level"] = thresholds["level"].variable
    coords |= {
        "host_id": ("host", hosts),
        "host_psf_fwhm": ("host", np.full(hosts.size, scores["psf_fwhm"].item())),
        "host_depth": ("host", np.full(hosts.size, scores["depth"].item())),
    }
    return xr.Dataset(data | rates, coords, {"detector_hash": scores.attrs["detector_hash"]})


def add(*counts: xr.Dataset) -> xr.Dataset:
    """Counts of the whole from those of disjoint parts: other cells, other trials, or both.

    Where a part has no cell it has no trials. A host of several parts is one host. The result does not depend on the order of
    the parts.

    Parameters
    ----------
    *counts : Datasets
        As from `count`, of one detector and the same thresholds.

    Returns
    -------
    Dataset
        As from `count`.
    """
    first = counts[0]
    for part in counts[1:]:
        if part.attrs["detector_hash"] != first.attrs["detector_hash"] or not np.array_equal(part["threshold"], first["threshold"]):
            raise ValueError("completeness: counts made with another detector or other thresholds do not add")
    axes = {dim: np.unique(np.concatenate([part[dim].values for part in counts])) for dim in schema.CELL}
    totals = dict.fromkeys(ADDITIVE, 0)
    for part in counts:
        for name in ADDITIVE:
            totals[name] = totals[name] + part[name].reindex({d: axes[d] for d in schema.CELL}, fill_value=0).variable
    theta_e = {"theta_e": axes["theta_e"]}
    rows = [part[list(PER_HOST)].reindex(theta_e, fill_value=0) for part in counts]
    names = ("host_psf_fwhm", "host_depth", "host_id")
    keys = [np.concatenate([row[name].values for row in rows]) for name in names]
    order = np.lexsort(keys[::-1])
    keys = [key[order] for key in keys]
    new = np.ones(order.size, bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    starts = np.flatnonzero(new)
    data = dict(totals)
    for name in PER_HOST:
        joined = np.concatenate([row[name].values for row in rows], axis=-1)[..., order]
        summed = np.add.reduceat(joined, starts, axis=-1) if starts.size else joined
        data[name] = (first[name].dims, summed)
    extra = {name: array.variable for name, array in first.data_vars.items() if name not in (*ADDITIVE, *PER_HOST, "n_hosts")}
    coords = {name: array.variable for name, array in first.coords.items() if name not in (*schema.CELL, *names)}
    coords |= {dim: (dim, axes[dim], first[dim].attrs) for dim in schema.CELL}
    coords |= {name: ("host", key[starts]) for name, key in zip(names, keys)}
    out = xr.Dataset(data | extra, coords, first.attrs)
    out["n_hosts"] = schema.CELL, np.stack([(n > 0).sum(-1) for _, n, _ in _columns(out)], 1).reshape(out["n_injected"].shape)
    for name, about in _ABOUT.items():
        units = schema.AXES[name.removeprefix("host_")].units if name.removeprefix("host_") in schema.AXES else "1"
        out[name].attrs |= {"long_name": about, "units": units}
    return schema.COMPLETENESS.describe(out)


def _columns(counts: xr.Dataset) -> list[tuple[tuple[int, int], np.ndarray, np.ndarray]]:
    """Of each (psf_fwhm, depth): its place, and trials (theta_e, host) and detections (theta_e, threshold, host) of its hosts."""
    injected = counts["host_injected"].transpose("theta_e", "host").values
    detected = counts["host_detected"].transpose("theta_e", "threshold", "host").values
    psf, depth = counts["host_psf_fwhm"].values, counts["host_depth"].values
    found = []
    for i, p in enumerate(counts["psf_fwhm"].values):
        for j, d in enumerate(counts["depth"].values):
            own = (psf == p) & (depth == d)
            found.append(((i, j), injected[:, own], detected[..., own]))
    return found


def posterior(counts: xr.Dataset, settings: config.Completeness) -> xr.Dataset:
    """The completeness cube.

    Trials on one host are alike, so the binomial is given effective counts: k and n over the design effect of the cell
    (`recovery.correlation` tells how the intra-host correlation is pooled and tested).

    Parameters
    ----------
    counts : Dataset
        As from `count` or `add`.
    settings : config.Completeness
        Prior, kind of interval, and what is sufficient.

    Returns
    -------
    Dataset
        As `schema.COMPLETENESS`, without area and host_pool (see `occupancy`). Cells without a trial have status "no data" and NaN.
    """
    columns = _columns(counts)
    shape = tuple(counts.sizes[dim] for dim in (*schema.CELL, "threshold"))
    sums = [recovery.pair_sums(n[:, None], k) for _, n, k in columns]  # (theta_e, threshold)
    rho = recovery.correlation(recovery.PairSums(*(np.stack(parts, 1) for parts in zip(*sums))))
    effect = np.stack([recovery.design_effect(n[:, None], r) for (_, n, _), r in zip(columns, rho)], 1).reshape(shape)
    n_injected, n_hosts = (counts[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    detected = counts["n_detected"].transpose(*schema.CELL, "threshold").values
    n = n_injected[..., None]
    n_effective = np.where(n > 0, n / effect, 0.0)
    k_effective = np.where(n > 0, detected / effect, 0.0)
    k_effective = np.where(detected == n, n_effective, k_effective)  # all detected stays all, whatever the rounding
    ends = [intervals.interval(k_effective, n_effective, level, settings.prior, settings.interval) for level in schema.LEVELS]
    enough = (n_injected >= settings.trials_min) & (n_hosts >= settings.hosts_min)
    status = np.array(STATUS, object)[np.where(n_injected == 0, 0, 1 + enough)]
    cell = (*schema.CELL, "threshold")
    cube = counts.drop_dims("host").assign(
        n_effective=(cell, n_effective),
        design_effect=(cell, effect),
        completeness=((*cell, "quantile"), intervals.quantiles(k_effective, n_effective, schema.QUANTILES, settings.prior)),
        lower=((*cell, "level"), np.stack([low for low, _ in ends], -1)),
        upper=((*cell, "level"), np.stack([high for _, high in ends], -1)),
        sufficient=(schema.CELL, enough),
        status=(schema.CELL, status),
    )
    widths = {dim: round(float(np.diff(cube[dim]).min()) / 2, 6) for dim in schema.CELL if cube.sizes[dim] > 1}
    axes = {dim: cube[dim].assign_attrs({"half_width": width, **cube[dim].attrs}) for dim, width in widths.items()}
    cube = cube.assign_coords(quantile=("quantile", list(schema.QUANTILES)), level=("level", list(schema.LEVELS)), **axes)
    attrs = {
        "binomial_prior": settings.prior,
        "interval": settings.interval,
        "trials_min": settings.trials_min,
        "hosts_min": settings.hosts_min,
        "clustering_level": recovery.DETECTION_LEVEL,
    }
    return schema.COMPLETENESS.describe(cube.assign_attrs(attrs))


def occupancy(bricks: pd.DataFrame, hosts: pd.DataFrame, grid: config.Grid) -> xr.Dataset:
    """Sky and hosts with the conditions of each cell. Bins hold their lower edge, not their upper one.

    Parameters
    ----------
    bricks : DataFrame
        psfsize_r [arcsec], psfdepth_r [AB mag], area [degree^2]; no rows where the area is not known.
    hosts : DataFrame
        psf_fwhm and depth: centres of each host's cell.
    grid : config.Grid

    Returns
    -------
    Dataset (psf_fwhm, depth)
        area, host_pool. Attributes: area_total, area_inside and the area left out by reason [degree^2]; half_width_<axis>.
    """
    psf, depth, area = (bricks[name].to_numpy(float) for name in ("psfsize_r", "psfdepth_r", "area"))
    if np.any(depth > 40):
        raise ValueError(f"bricks: psfdepth_r reaches {np.nanmax(depth):g}, which is no magnitude; convert 1/nanomaggy^2 to 5-sigma magnitudes first")
    if not np.all(area >= 0):
        raise ValueError("bricks: area holds a negative number or NaN; expected degree^2")
    edges_psf, edges_depth = grid.psf_fwhm.edges, grid.depth.edges
    reasons = {
        "without_conditions": ~(np.isfinite(psf) & np.isfinite(depth)),
        "psf_below": psf < edges_psf[0],
        "psf_above": psf >= edges_psf[-1],
        "depth_below": depth < edges_depth[0],
        "depth_above": depth >= edges_depth[-1],
    }
    attrs, left = {"area_total": float(area.sum())}, np.ones(area.size, bool)
    for reason, out in reasons.items():
        attrs[f"area_{reason}"] = float(area[left & out].sum())
        left &= ~out
    attrs["area_inside"] = float(area[left].sum())
    attrs |= {f"half_width_{dim}": getattr(grid, dim).step / 2 for dim in schema.CELL}
    shape = len(grid.psf_fwhm.centres), len(grid.depth.centres)
    inside, pool = np.zeros(shape), np.zeros(shape, np.int64)
    place = (np.searchsorted(edges, values[left], "right") - 1 for edges, values in ((edges_psf, psf), (edges_depth, depth)))
    np.add.at(inside, tuple(place), area[left])
    centres = {dim: getattr(grid, dim).centres for dim in ("psf_fwhm", "depth")}
    place = tuple(np.abs(hosts[dim].to_numpy(float)[:, None] - values).argmin(1) for dim, values in centres.items())
    for index, (dim, values) in zip(place, centres.items()):
        if np.any(wrong := np.abs(hosts[dim].to_numpy(float) - values[index]) > 1e-6):
            raise ValueError(f"hosts: {int(wrong.sum())} hosts have a {dim} that is no bin centre of the grid; assign them with the same grid")
    np.add.at(pool, place, 1)
    dims = ("psf_fwhm", "depth")
    dataset = xr.Dataset({"area": (dims, inside), "host_pool": (dims, pool)}, {dim: (dim, values) for dim, values in centres.items()}, attrs)
    return schema.COMPLETENESS.describe(dataset)


def marginalise(
    cube: xr.Dataset, over: str | Sequence[str] = ("psf_fwhm", "depth"), weights: str = "area", seed: int = 0, draws_per_cell: int = 4000
) -> xr.Dataset:
    """Completeness averaged over seeing, depth or both, with errors carried by draws from the posterior of each cell.

    Cells with other conditions have other hosts, so their posteriors are independent; those at other theta_e share hosts, and
    are not averaged here.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`, with area and host_pool.
    over : str or sequence of str
        psf_fwhm, depth or both.
    weights : str
        ``area`` (sky) or ``hosts`` (host_pool).
    seed : int
        Of the draws; a cell's draws do not depend on the other cells.
    draws_per_cell : int

    Returns
    -------
    Dataset
        completeness (quantile), lower and upper (level) of the part with an estimate; `unknown`, the share of the weight without
        one (with area over both axes, sky outside the grid included); `bound_lower` and `bound_upper` of the whole, with
        completeness 0 and 1 in the unknown part. NaN where no cell has an estimate.
    """
    dims = (over,) if isinstance(over, str) else tuple(over)
    if not dims or not set(dims) <= {"psf_fwhm", "depth"}:
        raise ValueError(f"marginalise over {dims}: expected psf_fwhm, depth or both (cells along theta_e share hosts)")
    names = {"area": "area", "hosts": "host_pool"}
    if weights not in names:
        raise ValueError(f"weights is {weights!r}, expected 'area' or 'hosts'")
    weight = cube[names[weights]].astype(float)
    if not float(weight.sum()) > 0:
        raise ValueError(f"marginalise: '{names[weights]}' of the cube is 0 everywhere; weigh by {'hosts' if weights == 'area' else 'area'}")
    values = _draws(cube, seed, draws_per_cell)
    known = cube["n_injected"] > 0
    outside = 0.0
    if weights == "area" and len(dims) == 2:
        outside = cube.attrs.get("area_total", 0.0) - cube.attrs.get("area_inside", 0.0)
    total = weight.sum(dims) + outside
    found = (weight * known).sum(dims)
    mean = ((values.fillna(0) * weight * known).sum(dims) / found).where(found > 0)
    kept = [dim for dim in (*schema.CELL, "threshold") if dim not in dims]
    mean = mean.transpose(*kept, "draw")
    unknown = (1 - found / total).where(total > 0).transpose(*kept[:-1], ...)
    at = lambda probabilities: np.moveaxis(np.quantile(mean.values, probabilities, axis=-1), 0, -1)  # noqa: E731
    lower, upper = (xr.DataArray(at([(1 + sign * level) / 2 for level in schema.LEVELS]), dims=(*kept, "level")) for sign in (-1, 1))
    out = xr.Dataset(
        {
            "completeness": ((*kept, "quantile"), at(schema.QUANTILES)),
            "lower": lower,
            "upper": upper,
            "unknown": unknown,
            "bound_lower": ((1 - unknown) * lower.fillna(0)).transpose(*kept, "level"),
            "bound_upper": ((1 - unknown) * upper.fillna(0) + unknown).transpose(*kept, "level"),
        },
        coords=mean.drop_vars("draw", errors="ignore").coords,
        attrs={**cube.attrs, "weights": weights, "averaged_over": ", ".join(dims)},
    )
    for array in out.data_vars.values():
        array.attrs["units"] = "1"
    return out.assign_coords(quantile=("quantile", list(schema.QUANTILES)), level=("level", list(schema.LEVELS)))


def _draws(cube: xr.Dataset, seed: int, size: int) -> xr.DataArray:
    """Posterior draws (theta_e, psf_fwhm, depth, threshold, draw); NaN where a cell has no trial."""
    cell = (*schema.CELL, "threshold")
    effect = cube["design_effect"].transpose(*cell).values
    detected, n = cube["n_detected"].transpose(*cell).values, cube["n_injected"].transpose(*schema.CELL).values[..., None]
    a, b = intervals.shapes(detected / effect, n / effect, cube.attrs["binomial_prior"])
    out = np.full((*effect.shape, size), np.nan)
    for index in np.ndindex(effect.shape[:3]):
        if n[index][0] > 0:
            centre = " ".join(f"{float(cube[dim][i]):.6g}" for dim, i in zip(schema.CELL, index))
            rng = draws.generator(seed, f"completeness {centre}", 0)
            out[index] = rng.beta(a[index][:, None], b[index][:, None], (effect.shape[3], size))
    coords = {dim: cube[dim].variable for dim in cell} | {"false_positive_rate": cube["false_positive_rate"].variable}
    return xr.DataArray(out, dims=(*cell, "draw"), coords=coords)


def query(cube: xr.Dataset, theta_e, psf_fwhm, depth, quantile: float = 0.5, threshold: int = 0) -> np.ndarray:  # noqa: ANN001
    """Completeness of the cells that hold these conditions.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`.
    theta_e, psf_fwhm, depth : arrays that broadcast
        Einstein radius [arcsec], PSFSIZE_R [arcsec], PSFDEPTH_R [AB mag].
    quantile : float
        One of those in the cube.
    threshold : int
        Position along `threshold`.

    Returns
    -------
    array
        NaN outside of the cube, and in cells without data. Bins hold their lower edge, not their upper one.
    """
    if not np.any(match := np.isclose(cube["quantile"], quantile)):
        raise ValueError(f"quantile {quantile} is not in the cube, which holds {cube['quantile'].values.tolist()}")
    table = cube["completeness"].transpose(*schema.CELL, "threshold", "quantile").values[..., threshold, int(np.argmax(match))]
    points = dict(zip(schema.CELL, (theta_e, psf_fwhm, depth)))
    place, inside = [], True
    for dim, value in points.items():
        value = np.asarray(value, float)
        edges = _edges(cube, dim)
        inside = inside & (value >= edges[0]) & (value < edges[-1])
        place.append(np.clip(np.searchsorted(edges, value, "right") - 1, 0, edges.size - 2))
    return np.where(inside, table[tuple(np.broadcast_arrays(*place))], np.nan)


def _edges(cube: xr.Dataset, dim: str) -> np.ndarray:
    """Edges of the bins; a single bin of unknown width is without end."""
    centres = cube[dim].values
    half = float(cube.attrs.get(f"half_width_{dim}", cube[dim].attrs.get("half_width", np.inf)))
    return np.round([centres[0] - half, *(centres[1:] + centres[:-1]) / 2, centres[-1] + half], 6)


def gates(completeness: xr.Dataset) -> list[Gate]:
    """What must hold of the completeness cube.

    Parameters
    ----------
    completeness : Dataset
        As `schema.COMPLETENESS`.
    """
    cube = completeness
    cell = (*schema.CELL, "threshold")
    n, hosts = (cube[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    populated = n > 0
    return [
        _interval_gate(cube, populated, cell),
        _sufficiency_gate(cube, n, hosts),
        _trials_gate(cube, n, cell),
        _trend_gate(cube, cell),
        _threshold_gate(cube),
    ]


def _interval_gate(cube: xr.Dataset, populated: np.ndarray, cell: tuple[str, ...]) -> Gate:
    lower, upper = (cube[name].transpose(*cell, "level").values for name in ("lower", "upper"))
    ordered = ((lower >= 0) & (lower < upper) & (upper <= 1)).all((-2, -1))
    values = np.concatenate([lower, upper, cube["completeness"].transpose(*cell, "quantile").values], -1)
    whole = ordered & np.isfinite(values).all((-2, -1))
    empty = np.isnan(values).all((-2, -1))
    wrong = int((populated & ~whole).sum() + (~populated & ~empty).sum())
    cells = int(populated.sum())
    return Gate(
        "X.8", "every populated cell has an interval, and no other cell has one", "cells where not", wrong, maximum=0, critical=True,
        evidence=f"completeness: {cells} populated of {populated.size} cells; lower, upper, completeness by n_injected. Of as many true "
        f"values, {cells * (1 - schema.LEVELS[0]):.0f} are expected outside their 68.27 % interval",
    )  # fmt: skip


def _sufficiency_gate(cube: xr.Dataset, n: np.ndarray, hosts: np.ndarray) -> Gate:
    trials_min, hosts_min = int(cube.attrs["trials_min"]), int(cube.attrs["hosts_min"])
    enough = (n >= trials_min) & (hosts >= hosts_min)
    expected = np.where(n == 0, "no data", np.where(enough, "sufficient", "insufficient"))
    status = cube["status"].transpose(*schema.CELL).values.astype(object)
    flag = cube["sufficient"].transpose(*schema.CELL).values.astype(bool)
    wrong = int(((status != expected) | (flag != enough)).sum())
    return Gate(
        "X.9", "cells with too few trials or hosts say so", "cells whose mark differs from a recount", wrong, maximum=0, critical=True,
        evidence=", ".join(f"{int((expected == name).sum())} {name}" for name in STATUS)
        + f"; at least {trials_min} trials and {hosts_min} hosts are sufficient",
    )  # fmt: skip


def _trials_gate(cube: xr.Dataset, n: np.ndarray, cell: tuple[str, ...]) -> Gate:
    trials = n + cube["n_failed"].transpose(*schema.CELL).values
    detected = cube["n_detected"].transpose(*cell).values
    wrong = (trials != trials.max()) | ((detected < 0) | (detected > n[..., None])).any(-1)
    return Gate(
        "completeness.trials", "every cell holds the same number of trials, scored or failed, and no more detections than scores",
        "cells where not", int(wrong.sum()), maximum=0, critical=True,
        evidence=f"completeness: n_injected + n_failed from {int(trials.min())} to {int(trials.max())}, n_detected <= n_injected",
    )  # fmt: skip


def _trend_gate(cube: xr.Dataset, cell: tuple[str, ...]) -> Gate:
    claim = "wide arcs are found more often than narrow ones"
    median = cube["completeness"].sel(quantile=0.5, method="nearest").transpose(*cell).values
    rise = median[-1] - median[0]
    if len(median) < 2 or not np.isfinite(rise).any():
        return absent("completeness.rises", claim, "no seeing and depth has trials at both ends of theta_e")
    return Gate(
        "completeness.rises", claim, "mean completeness at the largest theta_e minus that at the smallest", float(np.nanmean(rise)), minimum=0,
        evidence="completeness at quantile 0.5, over populated psf_fwhm, depth and threshold; information, not a condition",
    )  # fmt: skip


def _threshold_gate(cube: xr.Dataset) -> Gate:
    claim = "the false-positive rate of each threshold is carried with its own interval"
    names = ("false_positive_rate_lower", "false_positive_rate_upper")
    rate = cube["false_positive_rate"]
    if any(name not in cube for name in names):
        return Gate("completeness.threshold", claim, "thresholds without an interval", rate.size, maximum=0, evidence="no interval in the cube")
    low, high = (cube[name].sel(level=0.95).values for name in names)
    wrong = int((~((low <= rate.values) & (rate.values <= high) & (high > low))).sum())
    text = ", ".join(f"{r:.3g} ({a:.2g} to {b:.2g})" for r, a, b in zip(rate.values, low, high))
    return Gate(
        "completeness.threshold", claim, "thresholds without an interval", wrong, maximum=0,
        evidence=f"false_positive_rate with its 95 % interval: {text}; the completeness is that of the score `threshold`, whatever the true rate",
    )  # fmt: skip
