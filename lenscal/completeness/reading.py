"""Numbers out of the cube: averages over conditions, and the cell of a condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.kernels import draws, intervals


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
    if "population" not in cube.dims:
        if name not in (None, own):
            raise ValueError(f"the cube is of the population '{own}' alone, not of '{name}'")
        return cube
    names = [str(value) for value in cube["population"].values]
    name = own if name is None else name
    if name not in names:
        raise ValueError(f"the cube has the populations {', '.join(names)}, not '{name}'")
    return cube.isel(population=names.index(name), drop=True).assign_attrs(population=name)


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
    cube = of_population(cube)
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
    cube = of_population(cube)
    if not np.any(match := np.isclose(cube["quantile"], quantile)):
        raise ValueError(f"quantile {quantile} is not in the cube, which holds {cube['quantile'].values.tolist()}")
    table = cube["completeness"].transpose(*schema.CELL, "threshold", "quantile").values[..., threshold, int(np.argmax(match))]
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
    for dim, value in zip(schema.CELL, (theta_e, psf_fwhm, depth)):
        edges = edges_of(cube, dim)
        index, within = _bin(edges, np.asarray(float(value)))
        if not within:
            raise ValueError(f"{dim} {value:g} is outside the cube, which covers {edges[0]:g} to {edges[-1]:g} {cube[dim].attrs['units']}")
        place[dim] = int(index)
    return cube.isel(place)


def _bin(edges: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the bin, and whether there is one; bins hold their lower edge."""
    return np.clip(np.searchsorted(edges, value, "right") - 1, 0, edges.size - 2), (value >= edges[0]) & (value < edges[-1])


def edges_of(cube: xr.Dataset, dim: str) -> np.ndarray:
    """Edges of the bins; a single bin of unknown width is without end."""
    centres = cube[dim].values
    half = float(cube.attrs.get(f"half_width_{dim}", cube[dim].attrs.get("half_width", np.inf)))
    return np.round([centres[0] - half, *(centres[1:] + centres[:-1]) / 2, centres[-1] + half], 6)
