"""Bands of sources: which their parameters are for, and the magnitude in one that no prior set states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.kernels import magnitudes


def bands_of(parameters: xr.Dataset | pd.DataFrame | Mapping[str, np.ndarray]) -> list[str]:
    """Bands that parameters are rendered in, by wavelength: g, r, z, and i where they have its magnitude."""
    return [band for band in schema.OPTICAL if band in schema.BANDS or f"mag_{band}" in parameters]


def in_bands(drawn: Mapping[str, np.ndarray], bands: Sequence[str]) -> dict[str, np.ndarray]:
    """Draws of a prior with the magnitude in each of these bands.

    No prior set states a colour with i: a source's magnitude there lies on the power law between its own r and z
    (`magnitudes.i_between`), so that no draw is added and none changes.
    """
    more = {"mag_i": magnitudes.i_between(drawn["mag_r"], drawn["mag_z"])} if "i" in bands else {}
    return {**drawn, **more}
