"""The hosts of a block of trials: what they must hold, where each lies, and the PSF at each."""

from __future__ import annotations

import numpy as np
import xarray as xr

from lenscal import config, schema
from lenscal.errors import InputError
from lenscal.injections import refusing
from lenscal.kernels import light

MOFFAT_SIZE = 61  # pixels: 8 arcsec around the centre

_NEEDED = (
    "image",
    "invvar",
    "psfsize",
    "psfdepth",
    "psf_fwhm_core",
    "psf_beta",
    "sigma",
    "noise_correlation",
    "noise_lags",
    "failure",
)

HOST_COORDS = {
    "host_type": "type",
    "host_split": "split",
    "host_psfsize_r": "psfsize_r",
    "host_psfdepth_r": "psfdepth_r",
    "host_mag_r": "mag_r",
}
OPTIONAL_COORDS = {"region": "region"}
"""Where the hosts have them."""


def check_hosts(hosts: xr.Dataset, settings: config.Injections) -> None:
    if missing := [name for name in (*_NEEDED, "galaxy_id", *HOST_COORDS.values()) if name not in hosts.variables]:
        raise InputError(
            f"injections: hosts lack {missing}; sigma, noise_correlation and noise_lags come from the quality of the "
            "cutouts: do that stage again"
        )
    for name in ("image", "invvar", "sigma", "noise_correlation", "noise_lags", "psf_fwhm_core"):
        variable = schema.CUTOUTS.variables.get(name) or schema.QUALITY.variables[name]
        if problem := variable.problem(name, hosts[name]):
            raise InputError(f"injections: hosts: {problem}")
    bands = [str(band) for band in hosts["band"].values]
    if schema.bands_problem(bands):
        raise InputError(f"injections: hosts have bands {bands}, not {list(schema.BANDS)} or {list(schema.OPTICAL)}")
    if not hosts.sizes["y"] == hosts.sizes["x"] >= settings.size:
        raise InputError(
            f"injections: hosts are {hosts.sizes['y']} x {hosts.sizes['x']} px, too small for "
            f"images of {settings.size} px"
        )


def rows_of(galaxy: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Row of each galaxy among the hosts; -1 for those that stand for no host."""
    order = np.argsort(ids, kind="stable")
    place = np.searchsorted(ids[order], galaxy)
    row = order[np.minimum(place, ids.size - 1)] if ids.size else np.zeros(galaxy.size, int)
    found = ids[row] == galaxy if ids.size else np.zeros(galaxy.size, bool)
    lost = np.flatnonzero(~found & (galaxy >= 0))
    if lost.size:
        raise InputError(
            f"injections: galaxy {galaxy[lost[0]]} is a host of this block but not among the {ids.size} hosts given"
        )
    return np.where(galaxy >= 0, row, -1)


def psfs(hosts: xr.Dataset, moffat_beta: float | None = None) -> tuple[np.ndarray, list[str]]:
    """PSF images (galaxy, band, y, x) of the hosts, Moffat where there is no image, and what is wrong with them."""
    fwhm, beta = (
        hosts[name].transpose("galaxy", "band").values.astype(float) for name in ("psf_fwhm_core", "psf_beta")
    )
    if moffat_beta is not None:
        beta = np.where(np.isfinite(beta), moffat_beta, np.nan)
        fwhm = light.moffat_fwhm(hosts["psfsize"].transpose("galaxy", "band").values.astype(float), moffat_beta)
    given = (
        hosts["psf"].transpose("galaxy", "band", "psf_y", "psf_x").values
        if "psf" in hosts
        else np.full((*fwhm.shape, 1, 1), np.nan)
    )
    if given.shape[-2] % 2 == 0 or given.shape[-1] % 2 == 0:
        raise InputError(f"injections: PSF images of the hosts are {given.shape[-2:]} pixels; their sides must be odd")
    side = max(MOFFAT_SIZE, *given.shape[-2:])
    out = np.zeros((*fwhm.shape, side, side))
    reasons = [""] * len(fwhm)
    y, x = ((side - n) // 2 for n in given.shape[-2:])
    for row, band in np.ndindex(fwhm.shape):
        image = given[row, band]
        if np.isfinite(image).any():
            reason = refusing.psf_problem(image)
            out[row, band, y : y + image.shape[0], x : x + image.shape[1]] = image if not reason else 0
        elif 0 < fwhm[row, band] < np.inf and 1 < beta[row, band] < np.inf:
            reason, out[row, band] = "", light.moffat(fwhm[row, band], beta[row, band], side, schema.PIXEL_SCALE)
        else:
            reason = "the host has neither a PSF image nor a PSF size"
        if reason and not reasons[row]:
            reasons[row] = f"band {hosts['band'].values[band]}: {reason}"
    return out, reasons
