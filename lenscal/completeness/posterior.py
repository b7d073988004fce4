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
    columns = columns_of(counts)
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
