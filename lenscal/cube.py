"""The completeness cube by the conditions of its cells: what is read without any statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lenscal import grid, schema
from lenscal.errors import InputError

if TYPE_CHECKING:  # what is given may be a light reading of a cube (`io.light`), too
    import xarray as xr

AS_PRINTED = 1e-4
"""How far a quantile may be from one of the cube: 0.1587 is 0.15865, as documents print it."""


def of_population(cube: xr.Dataset, name: str | None = None) -> xr.Dataset:
    """The cube of one population of hosts.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`.
    name : str, optional
        The one that is meant by default (attribute `population` of the cube).

    Raises
    ------
    ValueError
        The cube has no such population.
    """
    own = str(cube.attrs.get("population", "survey"))
    if "population" not in cube["completeness"].dims:
        if name not in (None, own):
            raise InputError(f"the cube is of the population '{own}' alone, not of '{name}'")
        return cube
    names = [str(value) for value in cube["population"].values]
    name = own if name is None else name
    if name not in names:
        raise InputError(f"the cube has the populations {', '.join(names)}, not '{name}'")
    return cube.isel(population=names.index(name), drop=True).assign_attrs(population=name)


def refuse_further_axes(cube: xr.Dataset) -> None:
    """A cell is told by theta_e, seeing and depth alone.

    Raises
    ------
    InputError
        The cube has another axis, such as the type of the host.
    """
    further = [
        dim for dim in cube["completeness"].dims if dim not in (*schema.CELL, "threshold", "quantile", "population")
    ]
    if further:
        values = ", ".join(f"{value}" for value in cube[further[0]].values[:6])
        raise InputError(
            f"the cube has the further axis {further[0]} ({values}): take one of it first, as in "
            f"cube.sel({further[0]}=...) of lenscal.open_catalog or xarray.open_zarr"
        )


def detected_of(cube: xr.Dataset) -> xr.DataArray:
    """Detections of each cell, each trial with its weight in the cube's population of hosts, scaled to
    the number of its trials.
    """
    return cube["fraction_detected"] * cube["n_injected"] if "fraction_detected" in cube else cube["n_detected"]


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
    cube = of_population(cube)
    refuse_further_axes(cube)
    if not np.any(match := np.isclose(cube["quantile"], quantile, rtol=0, atol=AS_PRINTED)):
        raise InputError(f"quantile {quantile} is not in the cube, which holds {cube['quantile'].values.tolist()}")
    table = (
        cube["completeness"]
        .transpose(*schema.CELL, "threshold", "quantile")
        .values[..., threshold, int(np.argmax(match))]
    )
    place, inside = [], True
    for dim, value in zip(schema.CELL, (theta_e, psf_fwhm, depth)):
        index, within = _bin(edges_of(cube, dim), np.asarray(value, float))
        place.append(index)
        inside = inside & within
    return np.where(inside, table[tuple(np.broadcast_arrays(*place))], np.nan)


def cell_of(cube: xr.Dataset, theta_e: float, psf_fwhm: float, depth: float) -> xr.Dataset:
    """The cell of the cube that holds these conditions, with all that stands behind its number.

    Parameters
    ----------
    cube : Dataset
        As `schema.COMPLETENESS`.
    theta_e, psf_fwhm, depth : float
        Einstein radius [arcsec], PSFSIZE_R [arcsec], PSFDEPTH_R [AB mag].

    Raises
    ------
    ValueError
        The conditions lie outside the cube.
    """
    place, cube = {}, of_population(cube)
    refuse_further_axes(cube)
    for dim, value in zip(schema.CELL, (theta_e, psf_fwhm, depth)):
        edges = edges_of(cube, dim)
        index, within = _bin(edges, np.asarray(float(value)))
        if not within:
            raise InputError(
                f"{dim} {value:g} is outside the cube, which covers {edges[0]:g} to "
                f"{edges[-1]:g} {cube[dim].attrs['units']}"
            )
        place[dim] = int(index)
    return cube.isel(place)


def _bin(edges: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the bin, and whether there is one; bins hold their lower edge."""
    return grid.nearest(edges, value), grid.inside(edges, value)


def edges_of(cube: xr.Dataset, dim: str) -> np.ndarray:
    """Edges of the bins: half way between their centres, and as far beyond the last ones as the cube says or as their
    neighbours are; a single bin of unknown width is without end.
    """
    centres = cube[dim].values
    half = cube.attrs.get(f"half_width_{dim}", cube[dim].attrs.get("half_width"))
    gaps = np.diff(centres) / 2 if centres.size > 1 else np.array([np.inf])
    low, high = (gaps[0], gaps[-1]) if half is None else (float(half), float(half))
    return np.round([centres[0] - low, *(centres[1:] + centres[:-1]) / 2, centres[-1] + high], 6)
