"""Counts of recovered injections, cell by cell and host by host; counts of disjoint parts add."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.summing import along, total
from lenscal.errors import InputError
from lenscal.kernels import likeness

ADDITIVE = ("n_injected", "n_failed", "n_detected")
PER_HOST = ("host_injected", "host_detected")
SURVEY = "survey"
LOG_DENSITIES = {SURVEY: "log_density_survey", "lens-like": "log_density_lens_like"}
"""Variables of the injections with the density of the host in each population of hosts."""
READ = ("galaxy_id", "failure", "log_density_host", *LOG_DENSITIES.values())
"""Of the injections."""
DERIVED = (
    "n_hosts",
    "n_effective",
    "design_effect",
    "hosts_effective",
    "fraction_detected",
    "completeness",
    "lower",
    "upper",
    "sufficient",
    "status",
    "area",
    "host_pool",
    "systematic_lower",
    "systematic_upper",
    "total_lower",
    "total_upper",
)
"""What a cube has beside its counts: made again from those of the whole."""


def count(
    injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset, settings: config.Completeness
) -> xr.Dataset:
    """Trials and detections of every cell, and of every host in it.

    One (psf_fwhm, depth) cell is in memory at a time, so that stores of any size can be given as they are opened.
    Counts of disjoint parts (cells or trials) are put together by `add`.

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
        n_injected, n_failed, n_hosts, n_detected; host_injected and host_detected with host_id, host_psf_fwhm and
        host_depth, and host_weight (population, host), 1 for injections that carry no densities of hosts.

    Raises
    ------
    ValueError
        When the detector is unfrozen or another one, cells or hosts do not fit, or an injection with an image has no
        score.
    """
    schema.SCORES_INJECTIONS.check(scores)
    _check_parts(injections, scores, thresholds)
    requested = (
        thresholds["rate_requested"].values.tolist()
        if "rate_requested" in thresholds
        else settings.false_positive_rates
    )
    if requested != list(settings.false_positive_rates):
        raise InputError(
            f"completeness: the thresholds were set for the rates {requested}, the settings name "
            f"{settings.false_positive_rates}; run the stage scores again"
        )
    cells = [(i, j) for i in range(scores.sizes["psf_fwhm"]) for j in range(scores.sizes["depth"])]
    part = lambda dataset, i, j: dataset.isel(psf_fwhm=[i], depth=[j])  # noqa: E731
    if not cells:
        raise InputError("completeness: there is no cell to count")
    injections = injections[[name for name in READ if name in injections]]
    return add(*(_count_cell(part(injections, i, j), part(scores, i, j), thresholds) for i, j in cells))


def _check_parts(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset) -> None:
    for name in ("galaxy_id", "failure"):
        problem = (
            schema.INJECTIONS.variables[name].problem(name, injections[name])
            if name in injections
            else f"'{name}' is missing"
        )
        if problem:
            raise schema.SchemaError(f"{schema.INJECTIONS.name}: {problem}")
    for dim in schema.CELL:
        if not np.array_equal(injections[dim], scores[dim]):
            raise InputError(
                f"completeness: scores and injections have other cells along {dim}; open both from one run"
            )
    if injections.sizes["trial"] != scores.sizes["trial"]:
        raise InputError(
            f"completeness: {scores.sizes['trial']} trials have scores, {injections.sizes['trial']} were "
            "injected; open both from one run"
        )
    hashes = [str(dataset.attrs.get("detector_hash", "")) for dataset in (scores, thresholds)]
    if not all(hashes):
        which = "scores of injections" if not hashes[0] else "thresholds"
        raise InputError(
            f"completeness: the {which} carry no detector_hash; a completeness needs the scores of a frozen detector"
        )
    if hashes[0] != hashes[1]:
        raise InputError(
            f"completeness: injections were scored by detector {hashes[0][:12]}, the thresholds were set with "
            f"{hashes[1][:12]}; score both with one"
        )


def _count_cell(injections: xr.Dataset, scores: xr.Dataset, thresholds: xr.Dataset) -> xr.Dataset:
    order = ("psf_fwhm", "depth", "theta_e", "trial")
    value = lambda dataset, name: dataset[name].transpose(*order).values[0, 0]  # noqa: E731
    host, score = value(injections, "galaxy_id"), value(scores, "score")
    failed = value(injections, "failure").astype(object) != ""
    where = f"cell psf_fwhm {scores['psf_fwhm'].item():g}, depth {scores['depth'].item():g}"
    if not np.array_equal(host, value(scores, "galaxy_id")):
        raise InputError(f"completeness: {where}: scores and injections have other hosts; open both from one run")
    unscored = int(
        np.sum(~np.isfinite(score) & ~failed)
    )  # of a table of scores that may lack some, which count as failed
    allowed = float(scores.attrs.get("missing_max", 0)) > 0
    if wrong := int(np.sum(np.isfinite(score) == failed)) - (unscored if allowed else 0):
        raise InputError(
            f"completeness: {where}: {wrong} trials have an image without a score, or a score without an "
            "image; run the stage scores again"
        )
    hosts, injected, detected = likeness.tally(host, score, thresholds["threshold"].values)
    populations, weight = _weights(injections, host, hosts, value)
    cell = lambda array: array[:, None, None]  # noqa: E731
    n = injected.sum(1)
    data = {
        "n_injected": (schema.CELL, cell(n)),
        "n_failed": (schema.CELL, cell(score.shape[1] - n)),
        "n_detected": ((*schema.CELL, "threshold"), cell(detected.sum(2))),
        "host_injected": (("theta_e", "host"), injected),
        "host_detected": (("theta_e", "threshold", "host"), detected),
        "host_weight": (("population", "host"), weight),
    }
    coords = {dim: scores[dim].variable for dim in schema.CELL} | {
        name: thresholds[name].variable for name in ("threshold", "false_positive_rate")
    }
    rates = {f"false_positive_rate_{end}": thresholds[end].variable for end in ("lower", "upper") if end in thresholds}
    if "level" in thresholds.coords:
        coords["level"] = thresholds["level"].variable
    coords |= {
        "population": ("population", populations),
        "host_id": ("host", hosts),
        "host_psf_fwhm": ("host", np.full(hosts.size, scores["psf_fwhm"].item())),
        "host_depth": ("host", np.full(hosts.size, scores["depth"].item())),
    }
    return xr.Dataset(data | rates, coords, {"detector_hash": scores.attrs["detector_hash"]})


def _weights(
    injections: xr.Dataset, host: np.ndarray, hosts: np.ndarray, value: Callable[[xr.Dataset, str], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Populations of hosts of a cell, and the weight (population, host) of a trial on each host; 1
    where nothing else is known.
    """
    if "log_density_host" not in injections:
        return np.array([SURVEY], object), np.ones((1, hosts.size))
    names = [name for name, density in LOG_DENSITIES.items() if density in injections]
    drawn = value(injections, "log_density_host")
    found, first = np.unique(host, return_index=True)
    place = first[np.searchsorted(found, hosts)]
    with np.errstate(invalid="ignore", over="ignore"):
        weight = np.stack([np.exp(value(injections, LOG_DENSITIES[name]) - drawn).ravel()[place] for name in names])
    return np.array(names, object), np.where(np.isfinite(weight), weight, 0.0)


def weighted(counts: xr.Dataset) -> xr.Dataset:
    """The counts with host_weight along `population`; where they carry none, every trial counts once in
    the population "survey".
    """
    if "host_weight" in counts:
        return counts
    return counts.assign_coords(population=[SURVEY]).assign(
        host_weight=(("population", "host"), np.ones((1, counts.sizes["host"])))
    )


def add(*counts: xr.Dataset) -> xr.Dataset:
    """Counts of the whole from those of disjoint parts: other cells, other trials, or both.

    Where a part has no cell it has no trials. A host of several parts is one host. The result does not depend on the
    order of the parts.

    Parameters
    ----------
    *counts : Datasets
        As from `count`, or cubes as they are stored, of one detector and the same thresholds.

    Returns
    -------
    Dataset
        As from `count`.
    """
    counts = _addable(counts)
    first = counts[0]
    axes = {dim: np.unique(np.concatenate([part[dim].values for part in counts])) for dim in schema.CELL}
    totals = {}
    for name in ADDITIVE:
        totals[name] = total([part[name] for part in counts], axes)
    rows = [along(part[list(PER_HOST)], axes["theta_e"]) for part in counts]
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
    weight = np.concatenate([part["host_weight"].transpose("population", "host").values for part in counts], axis=1)[
        :, order
    ]
    if np.any(~new & (np.abs(np.diff(weight, prepend=0)) > 1e-9 * np.abs(weight)).any(0)):
        raise InputError(
            "completeness: a host of two parts was drawn with another density in each; their counts do not add"
        )
    data["host_weight"] = ("population", "host"), weight[:, starts]
    extra = {
        name: array.variable
        for name, array in first.data_vars.items()
        if name not in (*ADDITIVE, *PER_HOST, "host_weight", *DERIVED)
    }
    coords = {
        name: array.variable
        for name, array in first.coords.items()
        if name not in (*schema.CELL, *names, "quantile", "cause")
    }
    coords |= {dim: (dim, axes[dim], first[dim].attrs) for dim in schema.CELL}
    coords |= {name: ("host", key[starts]) for name, key in zip(names, keys)}
    out = xr.Dataset(data | extra, coords, first.attrs)
    out["n_hosts"] = (
        schema.CELL,
        np.stack([(n > 0).sum(-1) for _, n, _ in columns_of(out)], 1).reshape(out["n_injected"].shape),
    )
    return schema.COMPLETENESS.describe(out)


def _addable(counts: tuple[xr.Dataset, ...]) -> tuple[xr.Dataset, ...]:
    """The parts with the weights of their hosts.

    Raises
    ------
    InputError
        They are not of one detector, the same thresholds and the same populations, or lack their hosts.
    """
    for part in counts:
        if lost := [name for name in (*PER_HOST, *ADDITIVE) if name not in part]:
            raise InputError(
                f"completeness: counts without {', '.join(lost)} do not add: hosts that two parts share are one; "
                "write the cube again with its hosts"
            )
    counts = tuple(weighted(part) for part in counts)
    first = counts[0]
    for part in counts[1:]:
        if part["population"].values.tolist() != first["population"].values.tolist():
            raise InputError("completeness: counts of other populations of hosts do not add")
        if part.attrs["detector_hash"] != first.attrs["detector_hash"] or not np.array_equal(
            part["threshold"], first["threshold"]
        ):
            raise InputError("completeness: counts made with another detector or other thresholds do not add")
    return counts


def columns_of(counts: xr.Dataset) -> list[tuple[tuple[int, int], np.ndarray, np.ndarray]]:
    """Of each (psf_fwhm, depth): its place, and trials (theta_e, host) and detections (theta_e,
    threshold, host) of its hosts.
    """
    injected = counts["host_injected"].transpose("theta_e", "host").values
    detected = counts["host_detected"].transpose("theta_e", "threshold", "host").values
    psf, depth = counts["host_psf_fwhm"].values, counts["host_depth"].values
    found = []
    for i, p in enumerate(counts["psf_fwhm"].values):
        for j, d in enumerate(counts["depth"].values):
            own = (psf == p) & (depth == d)
            found.append(((i, j), injected[:, own], detected[..., own]))
    return found
