"""What every table of positions goes through: columns there, positions on the sphere, pixels."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from lenscal import keys
from lenscal.errors import LenscalError
from lenscal.gates import Ledger


class ObjectsError(LenscalError, ValueError):
    """A table of objects that would make a result wrong."""


_FULL_CIRCLE = {"hours": 24.0, "radians": 2 * np.pi}
_SEXAGESIMAL = re.compile(r"\s*[+\-\u2212]?\d{1,3}\s*[:hd\u00b0\s]\s*\d{1,2}")
_LEAST = 8  # rows from which numbers alone can say that they are no degrees


def wrapped(ra: np.ndarray) -> np.ndarray:
    """RA [degree] in [0, 360], also of a table that counts from -180."""
    return np.where((ra >= -180) & (ra < 0), ra + 360.0, ra)


def read_as(ra: np.ndarray, dec: np.ndarray, unit: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions in degrees of numbers that were taken for degrees, if all of them can be `unit`; None where one cannot.

    Parameters
    ----------
    ra, dec : (n,) arrays
        RA in [0, 360] or [-180, 180], Dec.
    unit : {"hours", "radians"}
        Of RA; radians are those of Dec too.
    """
    turned = np.where(ra > 180, ra - 360, ra) if unit == "radians" else ra
    if not ra.size or np.any(turned < (-np.pi if unit == "radians" else 0)) or np.any(turned > _FULL_CIRCLE[unit]):
        return None
    if unit == "hours":
        return ra * 15, dec
    return None if np.any(np.abs(dec) > np.pi / 2) else (np.rad2deg(turned) % 360, np.rad2deg(dec))


def _no_degrees(ra: np.ndarray, dec: np.ndarray) -> str | None:
    """The unit that the numbers of a table say: they fill the circle and much of the sphere of that unit, and no more
    than a corner of that of degrees.
    """
    if ra.size < _LEAST:
        return None
    for unit, full in reversed(_FULL_CIRCLE.items()):
        fills = np.ptp(np.where(ra > 180, ra - 360, ra)) > full / 2 and np.ptp(dec) > full / (
            1 if unit == "hours" else 6
        )
        if fills and read_as(ra, dec, unit) is not None:
            return unit
    return None


def _said(raw: pd.DataFrame) -> str:
    """How sexagesimal positions are declared, as the end of a sentence, where a table has some."""
    cells = [str(raw[name].iloc[0]) for name in ("ra", "dec")]
    if not any(map(_SEXAGESIMAL.match, cells)):
        return ""
    return "; sexagesimal texts are declared as units: {ra: hms, dec: dms} of the catalogue in the run file"


def positions_of(raw: pd.DataFrame, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ledger]:
    """RA in [0, 360] and Dec [degree], the rows with a usable position, and the ledger of the others. RA
    from -180 on is wrapped.

    Raises
    ------
    ObjectsError
        When there are rows and none has one, as in a table of sexagesimal positions, or when the numbers are those of
        hours or radians and nothing says that they are degrees (`raw.attrs["stated"]`); `what` names the table.
    """
    ra, dec = (pd.to_numeric(raw[name], errors="coerce").to_numpy("f8", na_value=np.nan) for name in ("ra", "dec"))
    ra = wrapped(ra)
    finite = np.isfinite(ra) & np.isfinite(dec)
    outside = finite & ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))
    zero = finite & (ra == 0) & (dec == 0)
    zero &= zero.sum() > 1  # empty cells filled with zeros
    keep = finite & ~outside & ~zero
    if len(raw) and not keep.any():
        first = ", ".join(repr(raw[name].iloc[0]) for name in ("ra", "dec"))
        raise ObjectsError(
            f"{what}: none of {len(raw):,} rows has a position on the sphere (the first is at {first}); "
            f"expected ra and dec in degrees{_said(raw)}"
        )
    if not raw.attrs.get("stated") and (unit := _no_degrees(ra[keep], dec[keep])):
        spans = (
            f"ra from {ra[keep].min():g} to {ra[keep].max():g} and dec from {dec[keep].min():g} to {dec[keep].max():g}"
        )
        raise ObjectsError(
            f"{what}: {int(keep.sum()):,} rows have {spans}, as positions in {unit} have; expected degrees: convert "
            "them, or state the unit (in the file, or as units: {ra: deg, dec: deg} of the catalogue in the run file)"
        )
    dropped = {
        "position not finite": int((~finite).sum()),
        "position off the sphere": int(outside.sum()),
        "position 0, 0 in several rows": int(zero.sum()),
    }
    return ra, dec, keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


def stand_ins(raw: pd.DataFrame, what: str, number: int) -> tuple[pd.DataFrame, Ledger]:
    """Rows of a table that stands in for the survey: ra, dec [degree] and galaxy_id, which holds the number of the
    table and the row; and their ledger.

    Raises
    ------
    ObjectsError
        It lacks a column, or no row has a position; `what` names it.
    """
    raw = raw.rename(columns=lambda name: str(name).lower())
    if missing := [name for name in ("ra", "dec") if name not in raw.columns]:
        raise ObjectsError(f"{what}: {len(raw):,} rows without {', '.join(missing)}; found {', '.join(raw.columns)}")
    units = raw.attrs.get("units", {})
    raw.attrs = {"stated": raw.attrs.get("stated", all(units.get(name) for name in ("ra", "dec")))}
    ra, dec, keep, ledger = positions_of(raw, what)
    ids = keys.pack(np.arange(len(raw), dtype=np.int64), np.int64(1000 + number))
    return pd.DataFrame({"ra": ra[keep], "dec": dec[keep], "galaxy_id": ids[keep]}), ledger
