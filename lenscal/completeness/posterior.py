"""What the counts say of the share recovered: the cube."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.counts import SURVEY, columns_of, weighted
from lenscal.errors import InputError
from lenscal.kernels import intervals, likeness, recovery, weighting

STATUS = ("no data", "insufficient", "sufficient")


def posteriors(counts: xr.Dataset, settings: config.Completeness) -> xr.Dataset:
    """The completeness cube of every population of hosts: as from `posterior`, what depends
    on it along `population`.
    """
    names = weighted(counts)["population"].values.tolist()
    cubes = [posterior(counts, settings, name) for name in names]
    own = [
        "hosts_effective",
        "fraction_detected",
        "n_effective",
        "design_effect",
        "completeness",
        "lower",
        "upper",
        "sufficient",
        "status",
    ]
    along = xr.concat([cube[own] for cube in cubes], xr.Variable("population", names))
    return schema.COMPLETENESS.describe(
        cubes[0].drop_vars(own).merge(along, join="exact", combine_attrs="override")
    ).assign_attrs(cubes[0].attrs)


def posterior(counts: xr.Dataset, settings: config.Completeness, population: str = SURVEY) -> xr.Dataset:
    """The completeness cube of one population of hosts.

    Trials on one host are alike, and hosts stand unequally often in a population, so the binomial is given effective
    counts: the weighted share detected, of as many independent trials as tell as much (`weighting.effective_trials`).
    The intra-host correlation is that of an Einstein radius, told by all seeing and depths (`recovery.correlation`):
    what an arc has to do with its host changes with its size. Where few hosts tell it, intervals are wider
    (`recovery.widened`), and where fewer than `recovery.enough` asks for do, there are none: lower, upper and all
    quantiles but the median are NaN.

    Parameters
    ----------
    counts : Dataset
        As from `count` or `add`.
    settings : config.Completeness
        Prior, kind of interval, and what is sufficient.
    population : str
        One of those of the counts.

    Returns
    -------
    Dataset
        As `schema.COMPLETENESS`, without area and host_pool (see `occupancy`). The counts of each host stay, so that
        cubes can be added (`add`). Cells without a trial have status "no data" and NaN.
    """
    counts = weighted(counts)
    columns = columns_of(counts)
    shape = tuple(counts.sizes[dim] for dim in (*schema.CELL, "threshold"))
    sums = [
        likeness.levelled(likeness.pair_sums(n[:, None], k), n[:, None], k) for _, n, k in columns
    ]  # (theta_e, threshold)
    rho = recovery.correlation(likeness.PairSums(*(np.stack(parts) for parts in zip(*sums))))
    names = counts["population"].values.tolist()
    if population not in names:
        raise InputError(f"completeness: the counts are of the populations {', '.join(names)}, not of '{population}'")
    weights = _weights_of(counts, names.index(population))
    n_effective = np.stack([_effective(n, w, rho) for (_, n, _), w in zip(columns, weights)], 1).reshape(shape)
    share = np.stack([_share(n, k, w) for (_, n, k), w in zip(columns, weights)], 1).reshape(shape)
    hosts = np.stack(
        [recovery.hosts_effective(n * (1 if _even(w) else w)) for (_, n, _), w in zip(columns, weights)], 1
    ).reshape(shape[:3])
    n_injected, n_hosts = (counts[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    detected = counts["n_detected"].transpose(*schema.CELL, "threshold").values
    n = n_injected[..., None]
    effect = np.divide(n, n_effective, out=np.full(shape, np.nan), where=n_effective > 0)
    freedom, told = freedom_of(hosts)[:, None, None, None], recovery.enough(hosts)[..., None]
    scatter = _scatter(columns, weights, rho).reshape(shape)

    def at(level: float) -> tuple[np.ndarray, np.ndarray]:
        """Effective detections and trials of an interval; level 0 is the median, which needs no width."""
        trials = np.where(
            n_effective > 0, n / (recovery.widened(effect, freedom, level, scatter) if level else effect), 0.0
        )
        if level:
            trials = np.where(told, trials, 0.0)
        return np.where(
            detected == n, trials, trials * np.nan_to_num(share)
        ), trials  # all detected stays all, whatever the rounding

    ends = [intervals.interval(*at(level), level, settings.prior, settings.interval) for level in schema.LEVELS]
    quantiles = np.stack(
        [intervals.quantiles(*at(round(abs(2 * q - 1), 9)), [q], settings.prior)[..., 0] for q in schema.QUANTILES], -1
    )
    known = n_effective.max(-1) > 0
    enough = (
        known
        & (n_injected >= settings.trials_min)
        & (n_hosts >= settings.hosts_min)
        & (hosts >= settings.hosts_effective_min)
    )
    status = np.array(STATUS, object)[np.where(~known, 0, 1 + enough)]
    cell = (*schema.CELL, "threshold")
    cube = counts.assign(
        fraction_detected=(cell, share),
        n_effective=(cell, n_effective),
        design_effect=(cell, effect),
        hosts_effective=(schema.CELL, hosts),
        completeness=((*cell, "quantile"), quantiles),
        lower=((*cell, "level"), np.stack([low for low, _ in ends], -1)),
        upper=((*cell, "level"), np.stack([high for _, high in ends], -1)),
        sufficient=(schema.CELL, enough),
        status=(schema.CELL, status),
    )
    return _described(cube, settings, population)


def _described(cube: xr.Dataset, settings: config.Completeness, population: str) -> xr.Dataset:
    """A cube with its axes, and the settings that made it."""
    widths = {dim: round(float(np.diff(cube[dim]).min()) / 2, 6) for dim in schema.CELL if cube.sizes[dim] > 1}
    axes = {dim: cube[dim].assign_attrs({"half_width": width, **cube[dim].attrs}) for dim, width in widths.items()}
    cube = cube.assign_coords(
        quantile=("quantile", list(schema.QUANTILES)), level=("level", list(schema.LEVELS)), **axes
    )
    attrs = {
        "binomial_prior": settings.prior,
        "interval": settings.interval,
        "trials_min": settings.trials_min,
        "hosts_min": settings.hosts_min,
        "hosts_effective_min": settings.hosts_effective_min,
        "clustering_level": recovery.DETECTION_LEVEL,
        "population": population,
    }
    return schema.COMPLETENESS.describe(cube.assign_attrs(attrs))


def _weights_of(counts: xr.Dataset, place: int) -> list[np.ndarray]:
    """Weight of the hosts of each (psf_fwhm, depth), in the order of `columns_of`."""
    weight = counts["host_weight"].transpose("population", "host").values[place]
    psf, depth = counts["host_psf_fwhm"].values, counts["host_depth"].values
    return [weight[(psf == p) & (depth == d)] for p in counts["psf_fwhm"].values for d in counts["depth"].values]


def _even(weight: np.ndarray) -> bool:
    """Whether all hosts stand equally often; then their weights are no weights at all, to the last bit."""
    return weight.size == 0 or (weight[0] > 0 and bool(np.all(np.abs(weight / weight[0] - 1) < 1e-12)))


def _effective(n: np.ndarray, weight: np.ndarray, rho: np.ndarray) -> np.ndarray:
    """Effective trials (theta_e, threshold) of a column of cells: n (theta_e, host), rho (theta_e, threshold)."""
    if _even(weight):
        total = n.sum(-1)[:, None]
        return np.where(total > 0, total / recovery.design_effect(n[:, None], rho), 0.0)
    return weighting.effective_trials(n[:, None], weight, np.where(np.isnan(rho), 1.0 if n.shape[1] == 1 else 0.0, rho))


def _scatter(columns: list[tuple], weights: list[np.ndarray], rho: np.ndarray) -> np.ndarray:
    """Relative variance of the design effects of single cells (theta_e, column, threshold) about those of the
    correlation rho (theta_e, threshold).
    """
    found = [recovery.halves(n[:, None], k, rho) for _, n, k in columns]
    square = likeness.scatter(*(np.stack([part.sum(0) for part in parts]) for parts in zip(*found)))  # (threshold,)
    out = []
    for (_, n, _), weight in zip(columns, weights):
        own, none, all_ = (_effective(n, weight, value) for value in (rho, 0 * rho, 0 * rho + 1))
        change = np.divide(own, all_, out=np.zeros(own.shape), where=all_ > 0) - np.divide(
            own, none, out=np.zeros(own.shape), where=none > 0
        )
        out.append(
            np.where(np.nan_to_num(rho) > 0, square * change**2, 0.0)
        )  # of a design effect over itself, by a unit of rho
    return np.stack(out, 1)


def _share(n: np.ndarray, k: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted share detected (theta_e, threshold); NaN without a trial of any weight."""
    weight = np.ones(weight.size) if _even(weight) else weight
    total = (n * weight).sum(-1)[:, None]
    return np.divide((k * weight).sum(-1), total, out=np.full(k.shape[:2], np.nan), where=total > 0)


def freedom_of(hosts: np.ndarray) -> np.ndarray:
    """Hosts behind the correlation of each theta_e, less one for each of its cells, from `hosts_effective`
    (theta_e, psf_fwhm, depth).
    """
    return np.maximum(hosts - 1, 0).sum((1, 2))
