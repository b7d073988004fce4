"""Splits, exclusion and cross-matches of positions of one's own: the functions of the
manifest on arrays or SkyCoords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from lenscal import healpix
from lenscal.arguments import finite, in_unit, positive
from lenscal.errors import InputError
from lenscal.kernels import grouping, matching
from lenscal.manifest import exclusion, splits

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.units import Quantity

    Positions: TypeAlias = SkyCoord | pd.DataFrame | tuple[ArrayLike, ArrayLike]
    Angle: TypeAlias = float | Quantity

NSIDE = 128
FRACTIONS = (0.7, 0.15, 0.15)
"""Shares of train, val and test, as a run has them by default."""
RADIUS_MAX = 89.0 * 3600  # arcsec: `matching` is exact below 90 degrees


def sky_pixels(positions: Positions, nside: int = NSIDE) -> np.ndarray:
    """HEALPix pixels of positions, nested; -1 where one is not finite or no declination.

    Parameters
    ----------
    positions : SkyCoord, DataFrame with ra and dec, or (ra, dec)
        Degree, ICRS.
    nside : int
        A power of two.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    ValueError
        Positions without as many right ascensions as declinations, or an nside that is no power of two.
    """
    if not (isinstance(nside, int | np.integer) and nside > 0 and nside & (nside - 1) == 0 and nside <= 1 << 29):
        raise InputError(f"sky_pixels: nside is {nside!r}, expected a power of two up to 2^29")
    return healpix.pixels_of(*_degrees("sky_pixels: positions", positions, whole=False), int(nside))


def split_of(positions: Positions, seed: int = 0, fractions: tuple[float, float, float] = FRACTIONS) -> np.ndarray:
    """Split of each position by its HEALPix pixel of nside 128, so that neighbours on the sky share one; as the
    manifest of a run has it.

    Parameters
    ----------
    positions : SkyCoord, DataFrame with ra and dec, or (ra, dec)
        Degree, ICRS.
    seed : int
        Of the run: another seed deals the sky anew.
    fractions : (float, float, float)
        Shares of the sky for train, val and test.

    Returns
    -------
    (n,) array of str
        ``train``, ``val``, ``test``, or ``none`` without a position.

    Raises
    ------
    ValueError
        Positions as for `sky_pixels`; fractions that are negative or do not add to 1.
    """
    return splits.split_of(
        healpix.pixels_of(*_degrees("split_of: positions", positions, whole=False), NSIDE),
        seed,
        _shares("split_of", fractions),
    )


def near_border(
    positions: Positions, guard: Angle, seed: int = 0, fractions: tuple[float, float, float] = FRACTIONS
) -> np.ndarray:
    """Positions nearer than a guard radius to a sky pixel of another split.

    Parameters
    ----------
    positions, seed, fractions
        As for `split_of`.
    guard : float or Quantity
        Arcsec.

    Returns
    -------
    (n,) bool array

    Raises
    ------
    ValueError
        As for `split_of`; a position that is not finite, or a radius that is not above 0.
    """
    ra, dec = _degrees("near_border: positions", positions)
    return exclusion.near_border(
        pd.DataFrame({"ra": ra, "dec": dec}),
        positive("near_border: guard", guard, "arcsec"),
        seed,
        _shares("near_border", fractions),
    )


def cross_match(first: Positions, second: Positions, radius: Angle) -> pd.DataFrame:
    """The nearest second position of each first one, exact at the poles and across RA = 0.

    Parameters
    ----------
    first, second : SkyCoord, DataFrame with ra and dec, or (ra, dec)
        Degree, ICRS.
    radius : float or Quantity
        Arcsec, included.

    Returns
    -------
    DataFrame, one row a first position
        index (of the second position, -1 where none is near), separation [arcsec] (NaN there), count (second positions
        within the radius).

    Raises
    ------
    ValueError
        A position that is not finite or no declination; a radius that is not above 0, or beyond 89 degrees.
    """
    one, two = _degrees("cross_match: first", first), _degrees("cross_match: second", second)
    index, distance, count = matching.nearest(*one, *two, _radius("cross_match", radius))
    return pd.DataFrame({"index": index, "separation": distance, "count": count})


def near_any(positions: Positions, others: Positions, radius: Angle) -> np.ndarray:
    """Positions within a radius of any other: what an exclusion around lenses leaves out.

    Parameters
    ----------
    positions, others, radius
        As for `cross_match`.

    Returns
    -------
    (n,) bool array

    Raises
    ------
    ValueError
        As `cross_match`.
    """
    one, two = _degrees("near_any: positions", positions), _degrees("near_any: others", others)
    out = np.zeros(one[0].size, bool)
    out[matching.pairs(*one, *two, _radius("near_any", radius))[0]] = True
    return out


def sky_groups(positions: Positions, radius: Angle) -> np.ndarray:
    """Friends of friends: positions linked by steps within a radius share a number, the smallest index among them.

    Parameters
    ----------
    positions, radius
        As for `cross_match`.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    ValueError
        As `cross_match`.
    """
    return grouping.groups(*_degrees("sky_groups: positions", positions), _radius("sky_groups", radius))


def _degrees(what: str, positions: Positions, whole: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination, degree; all of them positions on the sphere where `whole`."""
    if hasattr(positions, "icrs"):
        icrs = positions.icrs
        ra, dec = icrs.ra.deg, icrs.dec.deg
    elif isinstance(positions, pd.DataFrame):
        if missing := [name for name in ("ra", "dec") if name not in positions.columns]:
            raise InputError(f"{what} lack the column {', '.join(missing)}; expected ra and dec in degree")
        ra, dec = positions["ra"].to_numpy(), positions["dec"].to_numpy()
    else:
        try:
            ra, dec = positions
        except (TypeError, ValueError):
            raise InputError(
                f"{what} are a {type(positions).__name__}, expected a SkyCoord, a DataFrame with ra "
                "and dec, or a pair (ra, dec)"
            ) from None
    ra, dec = (np.atleast_1d(in_unit(f"{what}, {name}", value, "deg")) for name, value in (("ra", ra), ("dec", dec)))
    if ra.ndim != 1 or ra.shape != dec.shape:
        raise InputError(f"{what} have ra of shape {ra.shape} and dec of shape {dec.shape}, expected (n,) both")
    if whole:
        finite(f"{what}, ra or dec,", np.concatenate([ra, dec]))
        if (np.abs(dec) > 90).any():
            raise InputError(f"{what} have a declination of {dec[np.argmax(np.abs(dec))]:g} degree, expected -90 to 90")
    return ra, dec


def _radius(what: str, radius: Angle) -> float:
    value = positive(f"{what}: radius", radius, "arcsec")
    if value > RADIUS_MAX:
        raise InputError(f"{what}: the radius is {value:g} arcsec, expected at most {RADIUS_MAX:g} (89 degrees)")
    return value


def _shares(what: str, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
    shares = in_unit(f"{what}: fractions", fractions, "1")
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise InputError(
            f"{what}: the fractions are {np.array2string(shares)}, expected the shares of train, "
            "val and test, which add to 1"
        )
    return tuple(shares.tolist())
