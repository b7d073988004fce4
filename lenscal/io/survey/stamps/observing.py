"""The conditions of each stamp of a set: its PSF, the noise of its sky, its depth; or why they are not known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lenscal import schema
from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.profiles import Profile, Psf
from lenscal.io.survey.stamps.psfs import PSF_SIZE, Measure, TablePsfs, fitted
from lenscal.kernels import light

CORRELATION_MAX = 5.0  # beyond it the sky of a stamp holds light of sources
_TRIED = {
    "star": "no star in the stamp",
    "table": "no conditions nearby",
    "image": "no image of it",
    "fwhm": "no width of it",
    "psfsize": "no width of it",
    "model": "no model of it",
}
_BETA, _FINE = 2.5, 5  # wings of a Moffat PSF, and parts of a pixel's side it is summed over
WHAT_TO_GIVE = {
    "no PSF": (
        "give the PSF of the set or of each stamp: psf: {image: KEY}, {fwhm: ARCSEC or KEY} or {model: {g: FILE, ...}}"
    ),
    "no depth": "give the depth (depth: MAG or KEY), or weights (weight: KEY)",
}
"""What makes hosts of stamps that are none, by the beginning of the reason."""


@dataclass(frozen=True)
class Observed:
    """Conditions of one stamp, by band; NaN and None where they are not known, with the reason."""

    sigma: np.ndarray
    correlation: np.ndarray
    psf: np.ndarray | None
    psfsize: np.ndarray
    psfdepth: np.ndarray
    source: str
    reason: str


def observed(
    profile: Profile, stamps: Sequence[Stamp], images: Sequence[np.ndarray], table: TablePsfs, measure: Measure
) -> list[Observed]:
    """Conditions of the stamps of a set.

    Parameters
    ----------
    profile, stamps
        The set as it is declared, and what it holds.
    images : (band, y, x) arrays
        Of the stamps, at the survey's pixel scale.
    table : TablePsfs
        For sets whose PSF comes from a table of conditions.
    measure : Measure
    """
    noise = np.array([[measure.sky_noise(band)[1:] for band in image] for image in images])
    sigma, own = noise[..., 0], noise[..., 1]
    clean = np.all(own <= CORRELATION_MAX, axis=1)  # False for NaN as well
    # One instrument and one resampling: the correlation of a set is the median of its stamps, as one stamp tells it
    # to 20 %.
    correlation = np.median(own[clean], axis=0) if clean.any() else np.full(len(profile.asked), np.nan)
    found = []
    for stamp, image, noisy, free in zip(stamps, images, sigma, clean):
        psf, source = _psf(profile, stamp, image, noisy, table, measure)
        found.append(_conditions(profile, stamp, (psf, source), (noisy, correlation), bool(free), measure))
    return found


def _conditions(
    profile: Profile,
    stamp: Stamp,
    found: tuple[np.ndarray | None, str],
    noise: tuple[np.ndarray, np.ndarray],
    clean: bool,
    measure: Measure,
) -> Observed:
    unknown = np.full(len(profile.asked), np.nan)
    (psf, source), (sigma, correlation) = found, noise
    if psf is None:
        why = "no PSF: " + ", ".join(_TRIED[_kind(item)] for item in profile.psf)
        return Observed(sigma, correlation, None, unknown, unknown, "none", why)
    width = measure.psfsize(psf, schema.PIXEL_SCALE)
    depth = stamp.given.depth
    if depth is not None and np.isfinite(depth).all():
        if not clean:  # nothing of the sky is seen: the noise is that of the depth
            one = np.ones(len(profile.asked))
            sigma, correlation = 10 ** (0.4 * (measure.depth(one, one, psf) - depth)), one
        return Observed(sigma, correlation, psf, width, depth, source, "")
    weight = stamp.given.weight
    if not clean and weight is not None and all((plane > 0).any() for plane in weight):
        typical = np.array([np.median(plane[plane > 0]) for plane in weight])
        sigma, correlation, clean = 1 / np.sqrt(typical), np.ones(len(profile.asked)), True
    if not clean:
        return Observed(sigma, correlation, psf, width, unknown, source, "no depth: no sky free of light")
    return Observed(sigma, correlation, psf, width, measure.depth(sigma, correlation, psf), source, "")


def _kind(item: Psf) -> str:
    return item if isinstance(item, str) else next(iter(type(item).model_fields))


def _psf(
    profile: Profile, stamp: Stamp, image: np.ndarray, sigma: np.ndarray, table: TablePsfs, measure: Measure
) -> tuple[np.ndarray | None, str]:
    for item in profile.psf:
        kind = _kind(item)
        if kind == "star":
            psf, name = measure.star_psf(image, sigma, schema.PIXEL_SCALE, PSF_SIZE), "measured"
        elif kind == "table":
            psf, name = table.of(stamp), "table"
        elif kind in ("fwhm", "psfsize"):
            width = stamp.given.width
            fwhm = light.moffat_fwhm(width, _BETA) if kind == "psfsize" and width is not None else width
            psf, name = _moffats(fwhm), "given"
        else:
            given = stamp.given.psf
            psf, name = None if given is None else np.array([fitted(one) for one in given]), "given"
        if psf is not None:
            return psf, name
    return None, "none"


def _moffats(fwhm: np.ndarray | None) -> np.ndarray | None:
    """(band, y, x) Moffat profiles of a width [arcsec] as pixels see them, sum 1; None where one is not known."""
    if fwhm is None or not (np.isfinite(fwhm) & (fwhm > 0)).all():
        return None
    fine = PSF_SIZE * _FINE
    y, x = (np.mgrid[:fine, :fine] - (fine - 1) / 2) * schema.PIXEL_SCALE / _FINE
    out = []
    for width in fwhm:
        core = width / (2 * np.sqrt(2 ** (1 / _BETA) - 1))
        image = (1 + (x**2 + y**2) / core**2) ** -_BETA
        image = image.reshape(PSF_SIZE, _FINE, PSF_SIZE, _FINE).sum(axis=(1, 3))
        out.append(image / image.sum())
    return np.array(out)
