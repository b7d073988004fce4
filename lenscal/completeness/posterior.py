"""What the counts say of the share recovered: the cube."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.completeness.counts import columns_of
from lenscal.kernels import intervals, recovery

STATUS = ("no data", "insufficient", "sufficient")


def posterior(counts: xr.Dataset, settings: config.Completeness) -> xr.Dataset:
    """The completeness cube.

    Trials on one host are alike, so the binomial is given effective counts: k and n over the design effect of the cell. The
    intra-host correlation is that of an Einstein radius, told by all seeing and depths (`recovery.correlation`): what an arc has to
    do with its host changes with its size. Where few hosts tell it, intervals are wider (`recovery.widened`), and where fewer than
    `recovery.told` asks for do, there are none: lower, upper and all quantiles but the median are NaN.

    Parameters
    ----------
    counts : Dataset
        As from `count` or `add`.
    settings : config.Completeness
        Prior, kind of interval, and what is sufficient.

    Returns
    -------
    Dataset
        As `schema.COMPLETENESS`, without area and host_pool (see `occupancy`). The counts of each host stay, so that cubes can be added
        (`add`). Cells without a trial have status "no data" and NaN.
    """
    columns = columns_of(counts)
    shape = tuple(counts.sizes[dim] for dim in (*schema.CELL, "threshold"))
    sums = [recovery.pair_sums(n[:, None], k) for _, n, k in columns]  # (theta_e, threshold)
    rho = recovery.correlation(recovery.PairSums(*(np.stack(parts) for parts in zip(*sums))))
    effect = np.stack([recovery.design_effect(n[:, None], rho) for _, n, _ in columns], 1).reshape(shape)
    hosts = np.stack([recovery.hosts_effective(n) for _, n, _ in columns], 1).reshape(shape[:3])
    n_injected, n_hosts = (counts[name].transpose(*schema.CELL).values for name in ("n_injected", "n_hosts"))
    detected = counts["n_detected"].transpose(*schema.CELL, "threshold").values
    n = n_injected[..., None]
    n_effective = np.where(n > 0, n / effect, 0.0)
    freedom, told = freedom_of(hosts)[:, None, None, None], recovery.told(hosts)
    share = np.divide(detected, n, out=np.full(shape, np.nan), where=n > 0)

    def at(level: float) -> tuple[np.ndarray, np.ndarray]:
        """Effective detections and trials of an interval; level 0 is the median, which needs no width."""
        trials = np.where(n > 0, n / (recovery.widened(effect, freedom, level) if level else effect), 0.0)
        if level and not told:
            trials = np.zeros(shape)
        return np.where(detected == n, trials, trials * share), trials  # all detected stays all, whatever the rounding

    ends = [intervals.interval(*at(level), level, settings.prior, settings.interval) for level in schema.LEVELS]
    quantiles = np.stack([intervals.quantiles(*at(round(abs(2 * q - 1), 9)), [q], settings.prior)[..., 0] for q in schema.QUANTILES], -1)
    enough = (n_injected >= settings.trials_min) & (n_hosts >= settings.hosts_min)
    status = np.array(STATUS, object)[np.where(n_injected == 0, 0, 1 + enough)]
    cell = (*schema.CELL, "threshold")
    cube = counts.assign(
        n_effective=(cell, n_effective),
        design_effect=(cell, effect),
        hosts_effective=(schema.CELL, hosts),
        completeness=((*cell, "quantile"), quantiles),
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


def freedom_of(hosts: np.ndarray) -> np.ndarray:
    """Hosts behind the correlation of each theta_e, less one for each of its cells, from `hosts_effective` (theta_e, psf_fwhm, depth)."""
    return np.maximum(hosts - 1, 0).sum((1, 2))
