"""Cutouts: the pixels of each galaxy of the manifest, with the PSF and depth that go with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.errors import InputError
from lenscal.kernels import light

_IMAGE = ("galaxy", "band", "y", "x")
_READ = {
    "image": (_IMAGE, "f"),
    "invvar": (_IMAGE, "f"),
    "mask": (("galaxy", "y", "x"), "i"),
    "psfsize": (("galaxy", "band"), "f"),
    "failure": (("galaxy",), "U"),
    "cutout_url": (("galaxy",), "U"),
    "download_timestamp": (("galaxy",), "U"),
    "layer_version": (("galaxy",), "U"),
}
ROUNDING_MAX = 0.1  # of the noise of a pixel: rounding then adds less than 0.03 of it (step / sqrt(12)) in quadrature
_UNITS = {"image": "nanomaggy", "invvar": "nanomaggy^-2"}


def cut(
    rows: pd.DataFrame,
    read: Callable[[pd.DataFrame, int], xr.Dataset],
    settings: config.Cutouts,
    bands: Sequence[str] = schema.BANDS,
) -> xr.Dataset:
    """Pixels of each row of the manifest; a row whose pixels cannot be had stays, with the reason in `failure`.

    Parameters
    ----------
    rows : DataFrame
        Rows of the manifest (`schema.MANIFEST`), galaxy ids unique.
    read : callable
        ``read(rows, size)`` gives the pixels in the order of the rows, such as the `read` of a survey: image
        [nanomaggy], invvar [nanomaggy^-2] (galaxy, band, y, x), mask (galaxy, y, x), psfsize [arcsec] (galaxy, band),
        failure, cutout_url, download_timestamp, layer_version (galaxy), psf (galaxy, band, psf_y, psf_x) where there
        are PSF images, and checksum (galaxy) where files came from a service.
    settings : config.Cutouts
        Side of the stamps, Moffat beta.
    bands : sequence of str
        That the pixels must have, in this order.

    Returns
    -------
    Dataset
        As declared in `schema.CUTOUTS`. An image is NaN and its inverse variance 0 wherever one of them is not finite;
        psfsize is that of the pixels, else that of the manifest.

    Raises
    ------
    ValueError
        A galaxy twice, or pixels of other galaxies, bands, size, units or dims than asked for.
    """
    check(rows, bands)
    pixels = read(rows, settings.size)
    _check_pixels(pixels, rows, settings.size, bands)
    pixels = pixels.transpose("galaxy", "band", "y", "x", ...)
    failure = pixels["failure"].values.astype(np.dtypes.StringDType())
    failed = failure != ""
    image = np.where(failed[:, None, None, None], np.nan, pixels["image"].values).astype(np.float32)
    image[~np.isfinite(image)] = np.nan
    invvar = pixels["invvar"].values.astype(np.float32)
    invvar = np.where(np.isfinite(image) & np.isfinite(invvar) & (invvar > 0), invvar, np.float32(0))
    if settings.rounding_nanomaggy is not None:
        image = _rounded(image, invvar, rows["galaxy_id"].to_numpy(), rounding_step(settings), bands)
    seen = np.isfinite(image).any(axis=(-2, -1))
    silent = ~failed & ~seen.any(axis=1)
    failure[silent] = "no coverage: no band was observed at the position"
    psfsize = _filled(pixels["psfsize"].values, _bands(rows, "psfsize", bands))
    n = len(rows)
    out = xr.Dataset(
        {
            "image": (_IMAGE, image),
            "invvar": (_IMAGE, invvar),
            "mask": (("galaxy", "y", "x"), np.where(failed[:, None, None], 0, pixels["mask"].values)),
            "psfsize": (("galaxy", "band"), psfsize),
            "psf_fwhm_core": (("galaxy", "band"), light.moffat_fwhm(psfsize, settings.psf_beta)),
            "psf_beta": (("galaxy", "band"), np.full(psfsize.shape, settings.psf_beta)),
            "psfdepth": (("galaxy", "band"), _bands(rows, "psfdepth", bands)),
            "stamp_size": ("galaxy", np.full(n, settings.size)),
            "bandset": (
                "galaxy",
                np.array(["".join(np.array(bands)[has]) for has in seen], np.dtypes.StringDType()),
            ),
            "failure": ("galaxy", failure),
        },
        coords={"band": np.array(bands, np.dtypes.StringDType())},
    )
    for name in ("cutout_url", "download_timestamp", "layer_version", "checksum"):
        if name in pixels:
            out[name] = ("galaxy", pixels[name].values.astype(np.dtypes.StringDType()))
    if "psf" in pixels:
        out["psf"] = (
            ("galaxy", "band", "psf_y", "psf_x"),
            pixels["psf"].transpose("galaxy", "band", "psf_y", "psf_x").values,
        )
    for name, variable in schema.GALAXY_COORDS.items():
        if name not in rows:
            continue
        values = rows[name].to_numpy()
        out[name] = ("galaxy", values.astype(np.dtypes.StringDType() if variable.dtype == "str" else variable.dtype))
    return schema.CUTOUTS.check(schema.CUTOUTS.describe(out))


def rounding_step(settings: config.Cutouts) -> float:
    """Step [nanomaggy] of the images: the power of two at or below `rounding_nanomaggy`, so that the last bits are
    zeros; 0 without rounding.
    """
    return 0.0 if settings.rounding_nanomaggy is None else float(2.0 ** np.floor(np.log2(settings.rounding_nanomaggy)))


def _rounded(image: np.ndarray, invvar: np.ndarray, ids: np.ndarray, step: float, bands: Sequence[str]) -> np.ndarray:
    """Whole multiples of a step, of the bands that have weights; refused where it is not far below the
    noise of the deepest pixel.
    """
    with np.errstate(divide="ignore"):
        noise = np.where(invvar > 0, 1 / np.sqrt(invvar), np.inf).min(axis=(-2, -1))  # of the deepest pixel
    worst = np.unravel_index(np.argmin(noise), noise.shape) if noise.size else None
    if worst is not None and step > ROUNDING_MAX * noise[worst]:
        raise InputError(
            f"cutouts: rounding to {step:.3g} nanomaggy is not far below the noise of galaxy {ids[worst[0]]}, "
            f"{noise[worst]:.3g} nanomaggy in {bands[worst[1]]}; set cutouts.rounding_nanomaggy to "
            f"{ROUNDING_MAX * noise[worst]:.2g} or less"
        )
    known = np.isfinite(noise)[..., None, None]  # without any weight nothing says that the step is below the noise
    return np.where(known, np.rint(image.astype(np.float64) / step) * step, image).astype(np.float32)


def crop(pixels: xr.Dataset | xr.DataArray | np.ndarray, size: int) -> xr.Dataset | xr.DataArray | np.ndarray:
    """The inner `size` pixels of both axes, from ``(n - size) // 2``: pixel 50 of 101 becomes pixel 32 of 64.

    Parameters
    ----------
    pixels : Dataset, DataArray or array
        With dims y and x, or an array whose last two axes they are.
    size : int
        Side of the crop in pixels.

    Raises
    ------
    ValueError
        The stamp is smaller than the crop.
    """
    labelled = isinstance(pixels, (xr.Dataset, xr.DataArray))
    sides = (pixels.sizes["y"], pixels.sizes["x"]) if labelled else pixels.shape[-2:]
    if size < 1 or min(sides) < size:
        raise InputError(f"a crop of {size} px does not fit a stamp of {sides[0]} x {sides[1]} px")
    y, x = (slice((n - size) // 2, (n - size) // 2 + size) for n in sides)
    return pixels.isel(y=y, x=x) if labelled else pixels[..., y, x]


def check(rows: pd.DataFrame, bands: Sequence[str] = schema.BANDS) -> None:
    """Refuse a manifest, or a part of one, that cannot become cutouts.

    Raises
    ------
    ValueError
        A column is missing, or a galaxy is there twice.
    """
    needed = [name for name, variable in schema.GALAXY_COORDS.items() if variable.required]
    wanted = [*needed, *(f"{name}_{band}" for name in ("psfsize", "psfdepth") for band in bands)]
    if missing := [name for name in wanted if name not in rows.columns]:
        raise InputError(f"cutouts: the manifest has no column {missing}")
    twice = rows["galaxy_id"][rows["galaxy_id"].duplicated()]
    if len(twice):
        raise InputError(
            f"cutouts: galaxy_id {twice.iloc[0]} is there more than once ({len(twice)} rows too "
            "many); a galaxy has one cutout"
        )


def _check_pixels(pixels: xr.Dataset, rows: pd.DataFrame, size: int, bands: Sequence[str]) -> None:
    problems = []
    for name, (dims, kind) in _READ.items():
        if name not in pixels.variables:
            problems.append(f"'{name}' is missing")
            continue
        array = pixels[name]
        if set(array.dims) != set(dims):
            problems.append(f"'{name}' has dims {array.dims}, not {dims}")
        found = "U" if array.dtype.kind in "OUT" else "i" if array.dtype.kind == "u" else array.dtype.kind
        if found != kind:
            problems.append(f"'{name}' is {array.dtype}")
        if name in _UNITS and array.attrs.get("units", _UNITS[name]) != _UNITS[name]:
            problems.append(f"'{name}' is in '{array.attrs['units']}', not '{_UNITS[name]}'")
    if not problems:
        sides = {dim: pixels.sizes[dim] for dim in ("galaxy", "y", "x")}
        if sides != {"galaxy": len(rows), "y": size, "x": size}:
            problems.append(f"pixels are {sides}, asked for {len(rows)} stamps of {size} px")
        if tuple(str(band) for band in pixels["band"].values) != tuple(bands):
            problems.append(f"bands are {pixels['band'].values.tolist()}, not {list(bands)}")
        if "galaxy_id" in pixels and not np.array_equal(pixels["galaxy_id"].values, rows["galaxy_id"].to_numpy()):
            problems.append("the galaxies are not those asked for, in that order")
    if problems:
        raise InputError("cutouts: what the survey gave: " + "; ".join(problems))


def _bands(rows: pd.DataFrame, name: str, bands: Sequence[str]) -> np.ndarray:
    return rows[[f"{name}_{band}" for band in bands]].to_numpy(np.float32, na_value=np.nan)


def _filled(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The first where it is a positive number, else the second where that is one, else NaN."""
    both = np.where(np.isfinite(first) & (first > 0), first, second)
    return np.where(both > 0, both, np.nan).astype(np.float32)
