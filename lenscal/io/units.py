"""Units as files state them: read by astropy, with the spellings of the survey's releases, and held against
what is expected or converted.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

import numpy as np
from astropy import units
from astropy.units import photometric

_WORDS = {
    "nanomaggies": "nanomaggy",
    "nanomaggie": "nanomaggy",
    "nmaggy": "nanomaggy",
    "nmaggies": "nanomaggy",
    "maggies": "maggy",
    "degrees": "deg",
    "degs": "deg",
    "arcseconds": "arcsec",
    "arcsecs": "arcsec",
    "asec": "arcsec",
    "as": "arcsec",
    "radians": "rad",
    "rads": "rad",
    "hours": "h",
    "hrs": "h",
    "hourangles": "hourangle",
    "hour_angle": "hourangle",
    "pixels": "pixel",
    "px": "pixel",
    "magnitude": "mag",
    "magnitudes": "mag",
    "mags": "mag",
    "abmag": "mag",
    "ab_mag": "mag",
}
"""Words that astropy does not know, or knows as something else than files mean by them."""
_SIGNS = {'"': "arcsec", "''": "arcsec", "\u2033": "arcsec", "\u00b0": "deg"}
_UNSTATED = {"", "none", "-", "--", "n/a"}
_PLAIN = {"1", "unitless", "dimensionless"}


@lru_cache(maxsize=1024)
def unit(text: str) -> units.UnitBase | None:
    """The unit that a text means; None where it means none that is known.

    DR9 and DR10 write ``nanomaggy`` and ``1/nanomaggy^2``, the catalogues of DR11 ``nanomaggies`` and
    ``nanomaggies^(-2)``.
    """
    plain = text.strip()
    if plain.lower() in _PLAIN:
        return units.dimensionless_unscaled
    if re.fullmatch(r"(ab\s*mag|mag\s*\(?ab\)?)", plain.lower()):
        return units.mag
    if re.fullmatch(r"(sq\.?|square)\s*deg(ree)?s?|deg(ree)?s?\s*sq\.?|sqdeg", plain.lower()):
        return units.deg**2
    plain = re.sub(r"\(([A-Za-z_]+)\)", r"\1", plain.replace("{", "(").replace("}", ")"))
    for sign, word in _SIGNS.items():
        plain = plain.replace(sign, word)
    with units.add_enabled_units(photometric), warnings.catch_warnings():
        warnings.simplefilter("ignore", units.UnitsWarning)
        for spelt in (plain, plain.lower()):
            spelt = re.sub(r"[A-Za-z_]+", lambda word: _WORDS.get(word[0].lower(), word[0]), spelt)
            try:
                found = units.Unit(spelt)
            except (ValueError, TypeError):
                continue
            return units.mag if str(found) in ("mag", "mag(AB)") else found
    return None


def stated(text: object) -> str:
    """The unit that a file states, as it stands; empty where it states none."""
    plain = "" if text is None else str(text).strip()
    return "" if plain.lower() in _UNSTATED else plain


def problem(found: str | None, expected: str) -> str | None:
    """What is wrong with a unit that a file states; None when it states none, or the one
    expected however it is spelt.
    """
    text = stated(found)
    if not text or ((meant := unit(text)) is not None and meant == unit(expected)):
        return None
    return f"is in '{text[:40]}', not '{expected}'"


def is_inverse_variance(found: str | None) -> bool | None:
    """Whether depths are inverse variances of a flux, by the unit they state; False for magnitudes, None
    where they state neither.
    """
    text = stated(found)
    meant = unit(text) if text else None
    if meant is None:
        return None
    return True if meant == unit("1/nanomaggy^2") else False if meant == units.mag else None


def degrees(values: np.ndarray, found: str | None) -> np.ndarray | None:
    """Angles in degrees, converted from the unit that a file states (an hour is 15 degrees); as they
    are where it states none.

    Returns
    -------
    array or None
        None where what is stated is no unit of an angle.
    """
    text = stated(found)
    if not text:
        return values
    meant = units.hourangle if unit(text) == units.hour else unit(text)
    if meant is None or not meant.is_equivalent(units.deg):
        return None
    factor = meant.to(units.deg)
    return values if factor == 1 else values * factor
