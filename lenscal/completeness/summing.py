"""Sums of arrays that have some of the cells of a whole."""

from __future__ import annotations

import numpy as np
import xarray as xr


def total(parts: list[xr.DataArray], axes: dict[str, np.ndarray]) -> xr.Variable:
    """Sum of counts on the cells of all parts; where a part has no cell it adds nothing."""
    dims = parts[0].dims
    sides = [axes[dim].size if dim in axes else parts[0].sizes[dim] for dim in dims]
    found = np.zeros(sides, np.result_type(*(part.dtype for part in parts)))
    for part in parts:
        place = [
            np.searchsorted(axes[dim], part[dim].values) if dim in axes else np.arange(part.sizes[dim]) for dim in dims
        ]
        found[np.ix_(*place)] += part.transpose(*dims).values
    return xr.Variable(dims, found, parts[0].attrs)


def along(counts: xr.Dataset, theta_e: np.ndarray) -> xr.Dataset:
    """Counts at these Einstein radii, 0 at those that they lack."""
    same = np.array_equal(counts["theta_e"], theta_e)
    return counts if same else counts.reindex(theta_e=theta_e, fill_value=0)
