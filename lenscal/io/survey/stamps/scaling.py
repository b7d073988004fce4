"""What comes with stamps at another pixel scale than the survey's: a PSF image is resampled, all else is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lenscal import schema
from lenscal.io.survey.stamps.centring import is_native
from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.profiles import Profile, PsfImage, PsfModel, StampError

Resample = Callable[[np.ndarray, float, float, int], np.ndarray]


def at_scale(profile: Profile, stamp: Stamp, resample: Resample | None) -> Stamp:
    """The stamp, with its PSF image on pixels of the survey's scale; its own pixels stay.

    Raises
    ------
    StampError
        It is at another scale, and there is no function to resample it with, or something that is not carried over.
    """
    if is_native(stamp.pixel_scale):
        return stamp
    where = f"profile '{profile.name}' is at {stamp.pixel_scale:.4f} arcsec per pixel"
    if resample is None:
        raise StampError(f"{where} and needs a resample function")
    if stamp.given.weight is not None or stamp.given.maskbits is not None:
        raise StampError(
            f"{where}, where weights, masks and maskbits are not carried over; resample the stamps to "
            f"{schema.PIXEL_SCALE} arcsec, or leave them out"
        )
    if any(isinstance(item, PsfModel) for item in profile.psf):
        raise StampError(
            f"{where}, and its PSFEx models (psf: model) do not say of which pixels they are; give an image of the "
            "PSF on the pixels of the stamps (psf: image) or its width (psf: fwhm)"
        )
    psf = stamp.given.psf
    if psf is None or not any(isinstance(item, PsfImage) for item in profile.psf):
        return stamp
    return replace(stamp, given=replace(stamp.given, psf=_resampled(psf, stamp.pixel_scale, resample)))


def _resampled(psf: np.ndarray, pixel_scale: float, resample: Resample) -> np.ndarray:
    """(band, y, x) PSF images on the survey's pixels: odd sides that hold all of the light, sum 1, the star in the
    middle; what resamples the stamps widens their stars and the PSF alike.
    """
    ratio = schema.PIXEL_SCALE / pixel_scale
    side = math.ceil(max(psf.shape[-2:]) / ratio - 1e-9)
    side += side % 2 == 0
    rims = [math.ceil(max(side * ratio - n, 0) / 2) for n in psf.shape[-2:]]
    padded = np.pad(psf, [(0, 0), *((rim, rim) for rim in rims)])
    image = resample(padded, pixel_scale, schema.PIXEL_SCALE, side)
    return image / image.sum(axis=(-2, -1), keepdims=True)
