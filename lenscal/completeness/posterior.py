"""What the counts say of the share recovered: the cube."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.counts import SURVEY, columns_of
from lenscal.kernels import intervals, recovery, weighting

STATUS = ("no data", "insufficient", "sufficient")


def posteriors(counts: xr.Dataset, settings: config.Completeness) -> xr.Dataset:
    """The completeness cube of every population of hosts: as from `posterior`, what depends on it along `population`."""
    names = counts["population"].values.tolist()
    cubes = [posterior(counts, settings, name) for name in names]
    own = ["n_hosts_effective", "fraction_detected", "n_effective", "design_effect", "completeness", "lower", "upper", "sufficient", "status"]
    along = xr.concat([cube[own] for cube in cubes], xr.Variable("population", names))
    return schema.COMPLETENESS.describe(cubes[0].drop_vars([*own, "population"]).merge(along, join="exact", combine_attrs="override")).assign_attrs(cubes[0].attrs)


def posterior(counts: xr.Dataset, settings: config.Completeness, population: str = SURVEY) -> xr.Dataset:
    """The completeness cube of one population of hosts.

    Trials on one host are alike, and hosts stand unequally often in a population, so the binomial is given effective counts: the weighted
    share detected, of as many independent trials as tell as much (`recovery.correlation` tells how the intra-host correlation is
    pooled and tested, `weighting.effective_trials` what weights cost).

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
        As `schema.COMPLETENESS`, without area and host_pool (see `occupancy`). Cells without a trial have status "no data" and NaN.
    """
    columns = columns_of(counts)
    shape = tuple(counts.sizes[dim] for dim in (*schema.CELL, "threshold"))
    sums = [recovery.pair_sums(n[:, None], k) for _, n, k in columns]  # (theta_e, threshold)
    rho = recovery.correlation(recovery.PairSums(*(np.stack(parts, 1) for parts in zip(*sums))))
    names = counts["population"].values.tolist()
    if population not in names:
        raise ValueError(f"completeness: the counts are of the populations {', '.join(names)}, not of '{population}'")
    weights = _weights_of(counts, names.index(population))
    n_effective = np.stack([_effective(n, w, r) for (_, n, _), w, r in zip(columns, weights, rho)], 1).reshape(shape)
    share = np.stack([_share(n, k, w) for (_, n, k), w in zip(columns, weights)], 1).reshape(shape)
    hosts_effective = np.stack([_hosts_effective(n, w) for (_, n, _), w in zip(columns, weights)], 1).reshape(shape[:3])
    n_injected, n_hosts = (counts[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    detected = counts["n_detected"].transpose(*schema.CELL, "threshold").values
    n = n_injected[..., None]
    effect = np.divide(n, n_effective, out=np.full(shape, np.nan), where=n_effective > 0)
    k_effective = np.where(n_effective > 0, np.nan_to_num(share) * n_effective, 0.0)
    k_effective = np.where((detected == n) & (n > 0), n_effective, k_effective)  # all detected stays all, whatever the rounding
    ends = [intervals.interval(k_effective, n_effective, level, settings.prior, settings.interval) for level in schema.LEVELS]
    known = n_effective.max(-1) > 0
    hosts = n_hosts if population == SURVEY else np.minimum(n_hosts, hosts_effective)
    enough = known & (n_injected >= settings.trials_min) & (hosts >= settings.hosts_min)
    status = np.array(STATUS, object)[np.where(~known, 0, 1 + enough)]
    cell = (*schema.CELL, "threshold")
    cube = counts.drop_dims(["host", "population"]).assign(
        n_hosts_effective=(schema.CELL, hosts_effective),
        fraction_detected=(cell, share),
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


def _share(n: np.ndarray, k: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted share detected (theta_e, threshold); NaN without a trial of any weight."""
    weight = np.ones(weight.size) if _even(weight) else weight
    total = (n * weight).sum(-1)[:, None]
    return np.divide((k * weight).sum(-1), total, out=np.full(k.shape[:2], np.nan), where=total > 0)


def _hosts_effective(n: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Effective number of hosts (theta_e,): of those with a trial, by the weight of all their trials."""
    weight = np.ones(weight.size) if _even(weight) else weight
    return np.array([weighting.effective_number(row) for row in n * weight]) if n.shape[1] else np.zeros(len(n))
