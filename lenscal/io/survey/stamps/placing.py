"""Where the planes of a stamp lie: North up and upon each other, at which scale, and where on the sky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.io import orientation
from lenscal.io.survey.stamps.centring import is_native
from lenscal.io.survey.stamps.profiles import Profile, StampError


def key_of(keys: Mapping[str, Any], key: str) -> str | None:
    """The name of a key as it stands: the same, a column of the table (in small letters) or a card of the header (in
    capitals); None where there is none.
    """
    return next((name for name in (key, key.lower(), key.upper()) if name in keys), None)


AWAY_ODD, AWAY_EVEN = 0.99, 0.75
"""Pixels along an axis that the object may be off the declared centre by the WCS, as stamps are cut by whole pixels."""
_ON, _NEAR = 0.001, 0.05  # pixels within which a place is another centre: by itself, and where the reference pixel is


def of_objects(profile: Profile, name: str, keys: Mapping[str, Any], key: str, count: int) -> list[Any]:
    """A key of a file as one value for each stamp.

    Raises
    ------
    StampError
        It holds another number of values than there are stamps.
    KeyError
        There is none.
    """
    if (found := key_of(keys, key)) is None:
        raise KeyError(key)
    values = np.asarray(keys[found])
    if values.size == 1 and count == 1:
        return [_plain(values.reshape(-1)[0])]
    if values.ndim == 0:
        return [values.item()] * count
    if values.shape != (count,):
        raise StampError(
            f"profile '{profile.name}': '{name}' has {count} stamp(s), and its key '{key}' the shape {values.shape}; "
            "expected one value for each stamp"
        )
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def planes_of(
    profile: Profile, name: str, headers: Sequence[fits.Header], shape: tuple[int, int]
) -> list[orientation.Plane]:
    """Where the planes lie, once they lie North up and upon each other; none where no header says so and the
    profile does not need it.

    Raises
    ------
    StampError
        They do not.
    KeyError
        The profile takes scale or place from a header that has none.
    """
    needed = "wcs" in (profile.pixel_scale, profile.position)
    found = []
    for header in headers:
        if not needed and not orientation.has_place(header):
            continue
        for card in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2") if needed else ():
            if card not in header:
                raise KeyError(card)
        try:
            plane = orientation.plane(header, shape)
            plane.check(tolerance=orientation.TOLERANCE)
        except orientation.OrientationError as error:
            raise StampError(
                f"profile '{profile.name}': '{name}' {error}; expected square pixels, North up, East left"
            ) from None
        found.append(plane)
    for plane in found[1:]:
        if (away := found[0].away(plane)) > orientation.PLACE_TOLERANCE:
            raise StampError(
                f"profile '{profile.name}': '{name}' has planes that lie up to {away:.3g} pixels off each other; "
                "expected one place in all bands"
            )
    return found


def scale_of(profile: Profile, name: str, found: Sequence[orientation.Plane], keys: Mapping[str, Any]) -> float:
    """Pixel scale in arcsec: of the header, or of the profile, which file and header must not contradict."""
    if profile.pixel_scale == "wcs":
        return found[0].scale
    scale = float(profile.pixel_scale)
    said = [float(np.asarray(keys[key]).reshape(-1)[0]) for key in ("pixscale", "meta_pixel_scale") if key in keys]
    said += [plane.scale for plane in found]
    for other in said:
        if not np.isclose(other, scale, rtol=5e-3 if found else 1e-3):
            raise StampError(f"profile '{profile.name}': '{name}' says {other:.6g} arcsec per pixel; expected {scale}")
    return scale


def centre_of(profile: Profile, name: str, headers: Sequence[fits.Header], shape: tuple[int, int]) -> str:
    """Where the object is: on ``pixel`` n // 2 of both axes (counted from 0), or in the ``middle`` of the array, which
    are one where a side is odd. As the profile says, else by the reference pixel where the place is read from it; empty
    where nothing says it.

    Raises
    ------
    StampError
        The reference pixel is neither.
    """
    if all(side % 2 for side in shape) and profile.position != "wcs":
        return "pixel"
    if profile.position != "wcs":
        return profile.centre or ""
    n_y, n_x = shape
    reference = np.array([float(headers[0]["CRPIX1"]), float(headers[0]["CRPIX2"])])
    places = {"middle": ((n_x + 1) / 2, (n_y + 1) / 2), "pixel": (n_x // 2 + 1, n_y // 2 + 1)}
    for centre in ("pixel", "middle"):
        if profile.centre in (None, centre) and np.abs(reference - places[centre]).max() <= 0.01:
            return centre
    raise StampError(
        f"profile '{profile.name}': '{name}' is not centred on its reference pixel, so its object is not at the "
        f"centre: found {reference.tolist()}, expected {list(places['middle'])} (its middle) or "
        f"{list(places['pixel'])}; cut it about the object, or, where the object is at the centre and the reference "
        "pixel is another place, give the place of the object by keys (position: ra, dec)"
    )


def positions_of(
    profile: Profile,
    name: str,
    found: Sequence[orientation.Plane],
    keys: Mapping[str, Any],
    shape: tuple[int, ...],
    centre: str,
) -> list[tuple[float, float]]:
    """RA and Dec [degree] of the object of each stamp; NaN where nothing says them."""
    count = shape[0]
    if profile.position == "none":
        return [(np.nan, np.nan)] * count
    if profile.position == "wcs":
        return [_sky(found[0], shape, centre)] * count
    try:
        ra, dec = (
            [float(value) for value in of_objects(profile, name, keys, profile.position[axis], count)]
            for axis in ("ra", "dec")
        )
    except (TypeError, ValueError) as error:
        if isinstance(error, StampError):
            raise
        raise StampError(
            f"profile '{profile.name}': '{name}' has a position that is no number ({error}); expected degrees"
        ) from None
    for a, d in zip(ra, dec):
        if np.isfinite(a) and np.isfinite(d) and not (-180 <= a <= 360 and abs(d) <= 90):
            raise StampError(
                f"profile '{profile.name}': '{name}' has a stamp at ra {a:g}, dec {d:g}, which is no "
                "place on the sky; expected degrees"
            )
    return [(a % 360, d) for a, d in zip(ra, dec)]


def _sky(plane: orientation.Plane, shape: tuple[int, ...], centre: str) -> tuple[float, float]:
    n_y, n_x = shape[-2:]
    if centre == "middle" or (n_y % 2 and n_x % 2):
        return plane.centre
    ra, dec = plane.wcs.all_pix2world(n_x // 2, n_y // 2, 0)
    return float(ra) % 360, float(dec)


def check_centre(
    profile: Profile,
    name: str,
    found: Sequence[orientation.Plane],
    positions: Sequence[tuple[float, float]],
    centre: str,
) -> None:
    """The WCS puts the object where its centre is declared: its RA and Dec, or the reference pixel where no position is
    given. The WCS of a file of many stamps is that of none of them, and says nothing.

    Raises
    ------
    StampError
        It puts it elsewhere, or, of an even side, upon the other centre.
    """
    if not found or len(positions) > 1 or profile.position == "wcs" or (not centre and is_native(found[0].scale)):
        return
    n_y, n_x = found[0].shape
    places = {"pixel": np.array([n_x // 2, n_y // 2]), "middle": np.array([(n_x - 1) / 2, (n_y - 1) / 2])}
    declared = centre or "middle"
    other = {"pixel": "middle", "middle": "pixel"}[declared]
    reference = np.asarray(found[0].wcs.wcs.crpix) - 1
    placed = np.isfinite(positions[0]).all()
    here = found[0].pixel_of(*positions[0]) if placed else reference
    if not placed and not centre:
        return
    what = "ra {:.6f}, dec {:.6f} of its object".format(*positions[0]) if placed else "its reference pixel"
    even, on_other = n_x % 2 == 0 or n_y % 2 == 0, np.abs(here - places[other]).max()
    near = _NEAR if np.abs(reference - places[other]).max() <= 0.01 else _ON
    limit = (AWAY_EVEN if even else AWAY_ODD) * max(1.0, schema.PIXEL_SCALE / found[0].scale)
    where = (
        f"profile '{profile.name}': '{name}' has {what} on pixel x {here[0]:.2f}, y {here[1]:.2f} by its WCS, and the "
        f"centre of the stamp is on x {places[declared][0]:g}, y {places[declared][1]:g} (`{declared}`, counted from 0)"
    )
    if even and on_other <= near:
        raise StampError(f"{where}; declare `centre: {other}`, or correct the WCS")
    if placed and not np.abs(here - places[declared]).max() <= limit:
        raise StampError(
            f"{where}; expected them within {limit:.2g} pixels of each other: cut it about the object, or correct the "
            "position or the WCS (without one the position is taken as it is given)"
        )
