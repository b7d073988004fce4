"""A selection function over the sky: the conditions of each pixel put in place of those of the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import completeness, schema
from lenscal.completeness import sky_pieces
from lenscal.errors import InputError

if TYPE_CHECKING:
    from .function import SelectionFunction


def sky_map(
    selection: SelectionFunction, conditions: pd.DataFrame, nside: int, theta_e: Mapping[float, float] | None
) -> xr.Dataset:
    """As `SelectionFunction.sky_map` has it."""
    if tuple(selection.edges) != schema.CELL or "design_effect" not in selection.cube:
        raise InputError(
            f"sky_map: expected cells along {', '.join(schema.CELL)} with their counts; this selection function has "
            f"the axes {', '.join(selection.edges)}{'' if 'design_effect' in selection.cube else ' and bounds alone'}"
        )
    cube = selection.cube
    for dim, ends in selection.edges.items():
        if not np.allclose(completeness.edges_of(cube, dim), ends, rtol=0, atol=1e-5):
            raise InputError(f"sky_map: the bins along {dim} are not even: {np.array2string(ends, threshold=8)}")
    unknown = {name: np.nan for name in ("threshold", "false_positive_rate") if name not in cube.coords}
    whole = cube.assign_coords(unknown).expand_dims("threshold")
    return completeness.sky_map(whole, _pieces(selection, conditions, nside), nside, theta_e)


def _pieces(selection: SelectionFunction, conditions: pd.DataFrame, nside: int) -> pd.DataFrame:
    """Pieces of sky by pixel, of bricks, of random points, or as they are."""
    if "pixel" in conditions:
        return conditions
    if "ra1" in conditions:
        return sky_pieces.of_bricks(conditions, nside)
    if lacking := [name for name in ("ra", "dec", "psfsize_r", "psfdepth_r", "area") if name not in conditions]:
        raise InputError(
            f"sky_map: the conditions lack {', '.join(lacking)}; expected bricks (ra1, ra2, dec1, dec2) or random "
            "points (ra, dec), with psfsize_r, psfdepth_r and area"
        )
    return sky_pieces.of_randoms([conditions], nside, selection.edges)
