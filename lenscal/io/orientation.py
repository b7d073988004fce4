"""Where an image lies on the sky, by its header: the sky of its middle and rim against North up, East left and the
scale, however the header says it.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

from lenscal.errors import LenscalError

TOLERANCE = 0.01  # of a pixel's side: half a pixel at 50 pixels from the middle, or 0.6 degrees
PLACE_TOLERANCE = 0.05  # pixels, between planes of one image
_CARDS = re.compile(
    r"(WCSAXES|(CTYPE|CRVAL|CRPIX|CUNIT|CDELT|CROTA)[12]|CD[12]_[12]|PC0*[12]_0*[12]|PV[12]_\d+|LONPOLE|LATPOLE|RADE?C?SYS|EQUINOX|EPOCH"
    r"|[AB]P?_ORDER|[AB]P?_\d_\d|CPDIS[12]|DP[12]|CQDIS[12]|DQ[12])"
)
_COMMON = [
    *(f"{name}{i}" for name in ("CTYPE", "CRVAL", "CRPIX", "CUNIT", "CDELT", "CROTA") for i in (1, 2)),
    *(f"{name}{i}_{j}" for name in ("CD", "PC") for i in (1, 2) for j in (1, 2)),
    "LONPOLE",
    "LATPOLE",
    "RADESYS",
    "RADECSYS",
    "EQUINOX",
    "EPOCH",
]
_RARE = ("A_ORDER", "B_ORDER", "CPDIS1", "CPDIS2", "CQDIS1", "PV1_0", "PV1_1", "PV2_0", "PV2_1", "PC001001", "PC01_01")
_OLD = ("FK4", "FK4-NO-E")
_MATRIX = [f"CD{i}_{j}" for i in (1, 2) for j in (1, 2)]
_PLAIN = {*(f"{name}{i}" for name in ("CTYPE", "CRVAL", "CRPIX") for i in (1, 2)), *_MATRIX, "RADESYS", "EQUINOX"}


class OrientationError(LenscalError, ValueError):
    """A header that does not say where its image lies, or says that it lies otherwise than it must; the
    message reads on after "FILE ".
    """


@dataclass(frozen=True)
class Plane:
    """An image on the sky."""

    wcs: WCS
    shape: tuple[int, int]

    @cached_property
    def _pixels(self) -> np.ndarray:
        """(9, 2) x, y: the middle, then the corners and the middles of the sides (of the outermost pixels)."""
        n_y, n_x = self.shape
        x, y = (np.array([0, (n - 1) / 2, n - 1]) for n in (n_x, n_y))
        grid = np.array([(u, v) for v in y for u in x])
        return grid[[4, 0, 2, 6, 8, 1, 3, 5, 7]]

    @cached_property
    def _sky(self) -> np.ndarray:
        """(9, 2) RA and Dec [degree] of these pixels."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            return self.wcs.all_pix2world(self._pixels, 0)

    @property
    def centre(self) -> tuple[float, float]:
        """RA in [0, 360) and Dec [degree] of the middle of the image."""
        ra, dec = self._sky[0]
        return float(ra) % 360, float(dec)

    def pixel_of(self, ra: float, dec: float) -> np.ndarray:
        """(2,) x, y, counted from 0, of a place on the sky [degree]; infinite where it is beyond the projection."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            try:
                found = self.wcs.all_world2pix([[ra, dec]], 0)[0]
            except (ValueError, RuntimeError):  # no convergence
                found = np.full(2, np.inf)
        return np.where(np.isfinite(found), found, np.inf)

    @cached_property
    def axes(self) -> np.ndarray:
        """(2, 2) steps West-to-East and South-to-North [arcsec] of a pixel of x and of y, in the
        tangent plane of the middle.
        """
        steps, *_ = np.linalg.lstsq(self._offsets, self._tangent, rcond=None)
        return steps.T

    @cached_property
    def _offsets(self) -> np.ndarray:
        return self._pixels - self._pixels[0]

    @cached_property
    def _tangent(self) -> np.ndarray:
        """(9, 2) gnomonic coordinates about the middle [arcsec]: to the East, to the North."""
        (ra0, dec0), (ra, dec) = np.deg2rad(self._sky[0]), np.deg2rad(self._sky.T)
        depth = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra - ra0)
        with np.errstate(invalid="ignore", divide="ignore"):
            east = np.cos(dec) * np.sin(ra - ra0) / depth
            north = (np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra - ra0)) / depth
        return np.rad2deg(np.stack([east, north], axis=-1)) * 3600

    @cached_property
    def scale(self) -> float:
        """Side of a pixel [arcsec], of both axes together."""
        return float(np.sqrt(abs(np.linalg.det(self.axes))))

    def check(self, scale: float | None = None, tolerance: float = TOLERANCE) -> None:
        """North up, East left, square pixels, nothing bent by half a pixel; of the scale [arcsec], where one is given.

        Raises
        ------
        OrientationError
            It is not: with the angle that it is turned by, or that it is mirrored.
        """
        axes = self.axes
        if not np.isfinite(axes).all() or self.scale == 0:
            raise OrientationError("has a matrix that gives no sky (its determinant is 0)")
        sides = np.hypot(*axes)
        if scale is not None and np.any(np.abs(sides / scale - 1) > tolerance):
            raise OrientationError(
                f"has pixels of {sides[0]:.4f} x {sides[1]:.4f} arcsec, not {scale} within {100 * tolerance:g} %"
            )
        unit = axes / self.scale
        if np.any(np.abs(unit - np.diag([-1.0, 1.0])) > tolerance):
            turn = np.rad2deg(np.arctan2(unit[0, 1], unit[1, 1]))  # of the y axis, from North to East
            how = (
                "it is mirrored"
                if np.linalg.det(unit) > 0
                else "its pixels are no squares"
                if np.any(np.abs(np.hypot(*unit) - 1) > tolerance)
                else ""
            )
            raise OrientationError(
                "is not North up and East left: "
                f"{', '.join(filter(None, [how, f'its y axis points {turn:.1f} degrees from North to East']))}; its "
                f"pixel axes are {np.round(unit, 3).tolist()} px; turn it, or cut it anew from North-up images"
            )
        bend = np.abs(self._tangent - self._offsets @ axes.T).max() / self.scale
        if not bend <= 0.5:
            raise OrientationError(
                f"is bent by {bend:.1f} pixels between its middle and its rim; expected a plane projection such as TAN"
            )

    def away(self, other: Plane) -> float:
        """Pixels that another plane lies off at most, over its middle and rim; infinite where it is elsewhere."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            try:
                found = self.wcs.all_world2pix(other._sky, 0)
            except (ValueError, RuntimeError):  # no convergence
                return np.inf
        off = np.abs(found - other._pixels)
        return float(off.max()) if np.isfinite(off).all() else np.inf


def has_place(header: fits.Header) -> bool:
    """Whether a header says anything of the sky."""
    return "CTYPE1" in header and "CTYPE2" in header and any(card in header for card in ("CRVAL1", "CRVAL2"))


def cards(header: fits.Header) -> dict[str, object]:
    """The cards that say where an image lies."""
    if any(card in header for card in _RARE):
        return {card: header[card] for card in header if _CARDS.fullmatch(card)}
    return {card: header[card] for card in _COMMON if card in header}


def has_matrix(found: dict[str, object]) -> bool:
    """Whether some of these cards turn or scale the axes."""
    return any(card.startswith(("CD", "PC", "CROTA", "LONPOLE")) for card in found)


def without_matrix(found: dict[str, object]) -> dict[str, object]:
    """These cards but those that turn or scale the axes."""
    return {card: value for card, value in found.items() if not card.startswith(("CD", "PC", "CROTA", "LONPOLE"))}


def _number(card: str, value: object) -> object:
    """Value of a card: texts of CTYPE, CUNIT and RADESYS, numbers of all others; wcslib would take a number in
    quotes for no card at all.
    """
    if card.startswith(("CTYPE", "CUNIT", "RADE", "CPDIS", "DP", "CQDIS", "DQ")):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise OrientationError(f"has {card} {value!r}, no number")
    return number if isinstance(value, str) else value


def _wcs(found: dict[str, object]) -> WCS:
    """The projection that cards say; that of most headers, TAN with a CD matrix, is set by hand: astropy reads a
    header in ten times the time.
    """
    if not set(found) <= _PLAIN or (found["CTYPE1"], found["CTYPE2"]) != ("RA---TAN", "DEC--TAN"):
        return WCS(fits.Header([(card, value) for card, value in found.items() if card != "WCSAXES"]), naxis=2)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cunit = ["RA---TAN", "DEC--TAN"], ["deg", "deg"]
    for name in ("crval", "crpix"):
        setattr(wcs.wcs, name, [float(found[f"{name.upper()}{i}"]) for i in (1, 2)])
    wcs.wcs.cd = np.array([float(found.get(card, 0)) for card in _MATRIX]).reshape(2, 2)
    return wcs


def plane(header: fits.Header, shape: tuple[int, ...]) -> Plane:
    """The image of a header, in equatorial coordinates.

    Parameters
    ----------
    header : Header
        With CD, PC and CDELT, or CDELT and CROTA2.
    shape : tuple
        Of the array; its last two axes are y and x.

    Raises
    ------
    OrientationError
        The header lacks projection, scale or place, or is of other coordinates.
    """
    found = {card: _number(card, value) for card, value in cards(header).items()}
    kinds = str(found.get("CTYPE1", "none")).strip(), str(found.get("CTYPE2", "none")).strip()
    if not (kinds[0].startswith("RA---") and kinds[1].startswith("DEC--")):
        frame = {"GLON": "Galactic", "ELON": "ecliptic", "SLON": "supergalactic"}.get(kinds[0][:4])
        what = f"is in {frame} coordinates and " if frame else ""
        raise OrientationError(f"{what}has the projection {kinds}, not ('RA---TAN', 'DEC--TAN')")
    if not any(found.get(f"CD{i}_{j}") for i in (1, 2) for j in (1, 2)) and not {"CDELT1", "CDELT2"} <= set(found):
        raise OrientationError("has no pixel scale (neither CD1_1 nor CDELT1 and CDELT2)")
    if lacking := [card for card in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2") if card not in found]:
        raise OrientationError(f"does not say where it is: it has no {', '.join(lacking)}")
    frame = str(found.get("RADESYS", found.get("RADECSYS", ""))).strip().upper()
    if frame in _OLD or (not frame and float(found.get("EQUINOX", found.get("EPOCH", 2000.0)) or 2000.0) < 1984):
        raise OrientationError(f"is in the coordinates of {frame or 'the equinox 1950'}, not ICRS or J2000")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            wcs = _wcs(found)
            wcs.wcs.set()
    except Exception as error:  # wcslib and astropy have many
        if "singular" in str(error).lower():
            raise OrientationError("has a matrix that gives no sky (its determinant is 0)") from None
        raise OrientationError(
            f"has a header of the sky that cannot be read ({' '.join(str(error).split())[:120]})"
        ) from None
    placed = Plane(wcs, tuple(int(n) for n in shape[-2:]))
    if not np.isfinite(placed._sky).all():
        raise OrientationError("has pixels beyond its projection")
    return placed
