"""Cells of the cube as the pixels of a sky mix them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from lenscal import grid, schema
from lenscal.completeness.counts import SURVEY
from lenscal.completeness.posterior import freedom_of
from lenscal.cube import detected_of, edges_of
from lenscal.errors import InputError
from lenscal.kernels import mixtures, recovery

CONDITIONS = {"psf_fwhm": "psfsize_r", "depth": "psfdepth_r"}


@dataclass(frozen=True)
class Averaged:
    """Mixtures of cells: how much of each is without an estimate, which have an interval, and the effective share and
    trials behind the number of each at a level (0: the median), all (mixture, out).
    """

    unsupported: np.ndarray
    told: np.ndarray
    at: Callable[[float], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Cells:
    """One threshold and population of the cube: arrays (theta_e, column) of the columns of seeing and depth."""

    cube: xr.Dataset
    injected: np.ndarray
    detected: np.ndarray
    effect: np.ndarray
    hosts: np.ndarray

    @classmethod
    def of(cls, cube: xr.Dataset) -> Cells:
        flat = lambda array: array.transpose(*schema.CELL).values.astype(float).reshape(cube.sizes["theta_e"], -1)  # noqa: E731
        hosts = cube["hosts_effective" if "hosts_effective" in cube else "n_hosts"]
        return cls(cube, *map(flat, (cube["n_injected"], detected_of(cube), cube["design_effect"], hosts)))

    def averaged(self, weight: sparse.csr_array, radii: np.ndarray, area: np.ndarray) -> Averaged:
        """Means over mixtures of columns, weight (mixture, column), and over radii (theta_e, out).

        `area` is the whole weight of each mixture, that outside of the cells included.
        """
        counted = self.injected > 0
        known = weight @ (counted.T @ radii)
        few = weight @ ((counted & (self.hosts < recovery.HOSTS_MIN)).T @ radii) > 0.5 * known
        square = self.hosts.reshape([self.cube.sizes[dim] for dim in schema.CELL])
        told = recovery.told(square) & ~few & (known > 0)
        freedom = freedom_of(square)[:, None]
        alone = (radii > 0).sum(0).max() == 1
        together = 1.0 if alone else self._together(radii)

        def at(level: float) -> tuple[np.ndarray, np.ndarray]:
            effect = recovery.widened(self.effect, freedom, level) if level else self.effect
            share, trials = mixtures.mean(weight, radii, self.detected, self.injected, effect)
            trials = np.nan_to_num(trials / together)
            return share, np.where(told, trials, 0.0) if level else trials

        return Averaged(np.clip(1 - known / area[:, None], 0, 1), told, at)

    def _together(self, radii: np.ndarray) -> np.ndarray:
        """What hosts that radii share add to the variance of a mean over radii."""
        cube = self.cube
        if "host_injected" not in cube:
            raise InputError(
                "sky_map: the cube is without the counts of its hosts, which radii share; give one radius, not weights"
            )
        weight = _host_weight(cube)
        injected, detected = (
            cube[name].transpose("theta_e", "host").values for name in ("host_injected", "host_detected")
        )
        psf, depth = cube["host_psf_fwhm"].values, cube["host_depth"].values
        own = [
            (psf == p) & (depth == d) for p in cube["psf_fwhm"].values for d in cube["depth"].values
        ]  # columns have hosts of their own
        parts = [[array[..., one] for one in own] for array in (weight, detected, injected)]
        return mixtures.excess(radii, *parts, self.effect)


def _host_weight(cube: xr.Dataset) -> np.ndarray:
    """Weight of a trial on each host in the population of the cube."""
    if "host_weight" not in cube:
        return np.ones(cube.sizes["host"])
    weight = cube["host_weight"]
    if "population" in weight.dims:
        names = [str(name) for name in weight["population"].values]
        weight = weight.isel(population=names.index(str(cube.attrs.get("population", SURVEY))))
    return weight.values


def mixed(cube: xr.Dataset, conditions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
    """Pixels with sky in them, the area of each, and that in each column of seeing and depth (pixel, column)."""
    area = conditions["area"].to_numpy(float)
    ids, row = np.unique(conditions["pixel"].to_numpy(np.int64), return_inverse=True)
    sides = [cube.sizes[dim] for dim in CONDITIONS]
    place = [grid.place(edges_of(cube, dim), conditions[column].to_numpy(float)) for dim, column in CONDITIONS.items()]
    inside = np.all([(at >= 0) & (at < side) for at, side in zip(place, sides)], axis=0)
    column = (place[0] * sides[1] + place[1])[inside]
    weight = sparse.coo_array((area[inside], (row[inside], column)), (ids.size, sides[0] * sides[1])).tocsr()
    whole = np.bincount(row, area, ids.size)
    kept = whole > 0
    return ids[kept], whole[kept], weight[kept]
