"""Quality of stamps of one's own: arrays in, the measures and the verdict of the stage quality out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from lenscal import config, schema
from lenscal.arguments import in_unit
from lenscal.errors import InputError
from lenscal.quality.measures import measure

_IMAGE = ("galaxy", "band", "y", "x")
_LEFT_OUT = (
    "galaxy_id",
    "split",
    "pool",
    "bright_star_dist",
    "gaia_mag_nearest",
    "psf_fwhm_g",
    "psf_fwhm_r",
    "psf_fwhm_i",
    "psf_fwhm_z",
    "psfdepth_r_centre",
    "arc_snr",
    "arc_radius",
)
"""What a stamp alone does not tell: who it is of, which stars are near, seeing and depth."""


def stamp_quality(
    images: ArrayLike,
    weights: ArrayLike | None = None,
    masks: ArrayLike | None = None,
    settings: config.Quality | None = None,
) -> pd.DataFrame:
    """What stamps are made of, and whether each is fit for use, as the stage quality of a run judges its cutouts.

    Parameters
    ----------
    images : (band, y, x) or (n, band, y, x) array
        Nanomaggy per pixel of 0.262 arcsec, bands g, r, z, or four: g, r, i, z; square, the galaxy in the middle; NaN
        where nothing was observed.
    weights : array of the same shape, optional
        Inverse variances [nanomaggy^-2]; 0 where nothing was observed. Without, the noise of the sky is held against
        nothing.
    masks : (y, x) or (n, y, x) integer array, optional
        MASKBITS of DR10; no pixel is masked without.
    settings : config.Quality, optional
        Radii, mask bits and limits; those of a run by default.

    Returns
    -------
    DataFrame, one row a stamp
        cutout_ok, reason (empty where it is fit), and the measures of `schema.QUALITY` that a stamp alone tells; those
        of a band have its letter: sigma_g [nanomaggy], noise_correlation_g, ... See docs/stages/quality.md.

    Raises
    ------
    ValueError
        Shapes that do not fit each other, stamps that are not square or have other than three or four bands, weights
        that are negative or not finite.
    """
    pixels = in_unit("stamp_quality: the images", images, "1")
    pixels = pixels[None] if pixels.ndim == 3 else pixels
    if (
        pixels.ndim != 4
        or (bands := schema.BANDS_OF_COUNT.get(pixels.shape[1])) is None
        or pixels.shape[2] != pixels.shape[3]
        or not pixels.size
    ):
        raise InputError(
            f"stamp_quality: the images have shape {np.shape(images)}, expected (3, y, x) or (n, 3, y, x) with y = x, "
            f"bands {', '.join(schema.BANDS)} (or 4: {', '.join(schema.OPTICAL)})"
        )
    dataset = _as_cutouts(pixels.astype(np.float32), _weights(weights, pixels), _masks(masks, pixels))
    stars = pd.DataFrame({name: pd.Series(dtype=float) for name in ("ra", "dec", "gaia_phot_g_mean_mag")})
    measured = measure(dataset, stars, settings or config.Quality()).drop_vars(_LEFT_OUT, errors="ignore")
    if weights is None:
        measured["bad_pixel_frac"] = xr.full_like(measured["bad_pixel_frac"], np.nan)
    table = {}
    for name, array in measured.data_vars.items():
        if array.dims == ("galaxy",):
            table[name] = array.values.astype(object if name == "reason" else array.dtype)
        elif set(array.dims) == {"galaxy", "band"}:
            for band, values in zip(bands, array.transpose("band", "galaxy").values):
                table[f"{name}_{band}"] = values
    return pd.DataFrame(table)


def _weights(weights: ArrayLike | None, pixels: np.ndarray) -> np.ndarray:
    """Inverse variances; without any, 0, so that the noise is held against nothing."""
    if weights is None:
        return np.zeros(pixels.shape, np.float32)
    found = in_unit("stamp_quality: the weights", weights, "1")
    found = found[None] if found.ndim == 3 else found
    if found.shape != pixels.shape:
        raise InputError(f"stamp_quality: the weights have shape {np.shape(weights)}, expected that of the images")
    if not np.isfinite(found).all() or (found < 0).any():
        raise InputError(
            f"stamp_quality: {int((~(np.isfinite(found) & (found >= 0))).sum())} weights are negative or not finite, "
            "expected inverse variances of 0 or more"
        )
    return found.astype(np.float32)


def _masks(masks: ArrayLike | None, pixels: np.ndarray) -> np.ndarray:
    shape = (len(pixels), *pixels.shape[2:])
    if masks is None:
        return np.zeros(shape, np.int32)
    found = np.asarray(masks)
    found = found[None] if found.ndim == 2 else found
    if found.shape != shape or found.dtype.kind not in "iub":
        raise InputError(
            f"stamp_quality: the masks are {found.dtype} of shape {np.shape(masks)}, expected "
            f"whole numbers of shape {shape}"
        )
    return found.astype(np.int32)


def _as_cutouts(pixels: np.ndarray, weights: np.ndarray, masks: np.ndarray) -> xr.Dataset:
    """A Dataset as `schema.CUTOUTS` declares it, in which all that a stamp alone does not tell is unknown."""
    n = len(pixels)
    known = {
        "image": (_IMAGE, pixels),
        "invvar": (_IMAGE, weights),
        "mask": (("galaxy", "y", "x"), masks),
        "galaxy_id": ("galaxy", np.arange(n)),
    }
    bands = schema.BANDS_OF_COUNT[pixels.shape[1]]
    known["band"] = ("band", np.array(bands, np.dtypes.StringDType()))
    unknown = {}
    for name, variable in schema.CUTOUTS.variables.items():
        if name in known or not variable.required:
            continue
        shape = [n if dim == "galaxy" else len(bands) for dim in variable.dims]
        kind = np.dtypes.StringDType() if variable.dtype == "str" else np.dtype(variable.dtype)
        unknown[name] = (
            variable.dims,
            np.full(shape, "" if variable.dtype == "str" else np.nan if kind.kind == "f" else 0, kind),
        )
    return schema.CUTOUTS.describe(xr.Dataset({**known, **unknown}))
