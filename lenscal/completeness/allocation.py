"""The trials that the next run needs, cell by cell, so that the widest interval of the cube becomes narrower."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.completeness.counts import columns_of
from lenscal.cube import detected_of, of_population
from lenscal.errors import InputError
from lenscal.kernels import allocation, likeness, recovery

COLUMNS = (*schema.CELL, "trials")


def plan(
    cube: xr.Dataset,
    half_width: float,
    budget: int | None = None,
    level: float = 0.6827,
    growth: float = allocation.GROWTH,
) -> pd.DataFrame:
    """How many trials more each cell needs for an interval as narrow as is wanted.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`: of a run, or of a sum of runs.
    half_width : float
        Half of the width that the interval of every cell should have, between 0 and 0.5.
    budget : int, optional
        Trials of the next run at most; the widest intervals come first.
    level : float
        Of the interval.
    growth : float
        A cell has at most so many times its trials after the next run: its share is not better known than that.

    Returns
    -------
    DataFrame, one row a cell
        theta_e, psf_fwhm, depth, trials (more), injected (so far), half_width (so far; NaN where too few hosts give no
        interval), needed (in all; infinite where more hosts are needed, not more trials), and the attribute `expected`,
        the half-width of the others afterwards.

    Raises
    ------
    InputError
        The half-width, budget, level or growth is none, or no cell has a trial.
    """
    for name, value, low, high in (
        ("half_width", half_width, 0, 0.5),
        ("level", level, 0, 1),
        ("growth", growth, 1, 1e6),
        ("budget", 1 if budget is None else budget, 0, 1e12),
    ):
        if not low < value < high:
            raise InputError(f"allocate: {name} is {value}, expected a number between {low:g} and {high:g}")
    one = of_population(cube)
    flat = lambda array: array.transpose(*schema.CELL, ...).values.astype(float)  # noqa: E731
    n = flat(one["n_injected"])
    if not n.any():
        raise InputError("allocate: no cell of the cube has a trial; run injections first")
    told = _told(one, n)
    first = np.nan_to_num(allocation.needed(*told, 0.05, level))
    take = lambda values: np.take_along_axis(values, np.argmax(first, -1)[..., None], -1)[..., 0]  # noqa: E731
    told = tuple(take(np.broadcast_to(values, first.shape)) for values in told)  # of the threshold that needs most
    limit = int(budget) if budget is not None else int(n.sum() * growth) + 1
    extra, expected = allocation.allocate(*told, half_width, level, limit, growth)
    near = int(np.argmin(np.abs(one["level"].values - level)))
    width = take(flat((one["upper"] - one["lower"]).isel(level=near))) / 2
    at = np.indices(n.shape)
    table = {dim: one[dim].values[at[axis]].ravel() for axis, dim in enumerate(schema.CELL)}
    needed = allocation.needed(*told, half_width, level)
    table |= {
        "trials": extra.ravel(),
        "injected": n.astype(np.int64).ravel(),
        "half_width": width.ravel(),
        "needed": np.ceil(needed).ravel(),
    }
    out = pd.DataFrame(table)
    out.attrs["expected"] = expected
    return out


def _told(cube: xr.Dataset, n: np.ndarray) -> tuple[np.ndarray, ...]:
    """Detections, trials, correlation, effective hosts and inflation by unequal weights, (theta_e, psf_fwhm, depth,
    threshold), as `kernels.allocation.needed` takes them.

    Raises
    ------
    InputError
        The cube carries no counts of its hosts.
    """
    if "host_injected" not in cube:
        raise InputError("allocate: the cube is without the counts of its hosts; take that of the run, or of a sum")
    columns = columns_of(cube)
    sums = [likeness.levelled(likeness.pair_sums(k_n[1][:, None], k_n[2]), k_n[1][:, None], k_n[2]) for k_n in columns]
    rho = np.nan_to_num(recovery.correlation(likeness.PairSums(*(np.stack(parts) for parts in zip(*sums)))))
    shape = (*n.shape[1:], n.shape[0])
    spread = np.stack([recovery.hosts_effective(own) for _, own, _ in columns]).reshape(shape)
    hosts = np.maximum(np.moveaxis(spread, -1, 0), 1.0)[..., None]
    effect = cube["design_effect"].transpose(*schema.CELL, "threshold").values
    alike = np.broadcast_to(rho[:, None, None], effect.shape)
    shared = 1 + np.maximum(n[..., None] / hosts - 1, 0) * alike
    unequal = np.maximum(np.nan_to_num(effect / shared, nan=1.0), 1.0)
    return detected_of(cube).transpose(*schema.CELL, "threshold").values, n[..., None], alike, hosts, unequal
