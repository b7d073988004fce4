"""The object of a stamp upon a pixel: stamps of even sides, whose middle is on none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lenscal import schema
from lenscal.io.survey.stamps.profiles import Profile, StampError
from lenscal.kernels import shifting

if TYPE_CHECKING:
    from lenscal.io.survey.stamps.files import Stamp

SCALE_TOLERANCE = 0.005  # stamps nearer than this to the survey's pixel scale are taken as they are


def is_native(pixel_scale: float) -> bool:
    """Whether stamps of a scale [arcsec] are taken as they are."""
    return abs(pixel_scale / schema.PIXEL_SCALE - 1) <= SCALE_TOLERANCE


def centred(profile: Profile, stamp: Stamp, centre: str) -> Stamp:
    """The stamp with its object on pixel n // 2, at the survey's scale; in the middle at another, where all pixels are
    drawn anew.

    Raises
    ------
    StampError
        A side is even, and nothing says where the object is.
    """
    sides = stamp.image.shape[-2:]
    if all(side % 2 for side in sides):
        return stamp
    if not is_native(stamp.pixel_scale):
        if centre != "pixel":
            return stamp
        given = replace(stamp.given, weight=_cut(stamp.given.weight), maskbits=_cut(stamp.given.maskbits))
        return replace(stamp, image=_cut(stamp.image), given=given)
    if centre == "pixel":
        return stamp
    if centre == "middle":
        weight, bits = stamp.given.weight, stamp.given.maskbits
        given = replace(
            stamp.given,
            weight=None if weight is None else shifting.mean_of_four(weight),
            maskbits=None if bits is None else shifting.any_of_four(bits),
        )
        return replace(stamp, image=shifting.half_pixel(stamp.image), given=given)
    raise StampError(
        f"profile '{profile.name}': '{stamp.file}' has an even side {sides}, so its object is on no pixel unless "
        f"it is said to be: declare `centre: pixel` where it is on pixel {sides[0] // 2} (counted from 0), or "
        "`centre: middle` where it is between the four pixels of the middle; it is then shifted by half a pixel"
    )


def _cut(plane: np.ndarray | None) -> np.ndarray | None:
    """Without its first row and column: pixel n // 2 is then the middle."""
    return None if plane is None else plane[..., 1:, 1:]
