"""What every table of positions goes through: columns there, positions on the sphere, pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.gates import Ledger


class ObjectsError(ValueError):
    """A table of objects that would make a result wrong."""


def positions_of(raw: pd.DataFrame, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ledger]:
    """RA, Dec [degree], the rows with a usable position, and the ledger of the others.

    Raises
    ------
    ObjectsError
        When there are rows and none has one, as in a table of sexagesimal positions; `what` names the table.
    """
    ra, dec = (pd.to_numeric(raw[name], errors="coerce").to_numpy("f8") for name in ("ra", "dec"))
    finite = np.isfinite(ra) & np.isfinite(dec)
    outside = finite & ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))
    keep = finite & ~outside
    if len(raw) and not keep.any():
        first = ", ".join(repr(raw[name].iloc[0]) for name in ("ra", "dec"))
        raise ObjectsError(f"{what}: none of {len(raw):,} rows has a position on the sphere (the first is at {first}); expected ra and dec in degrees")
    dropped = {"position not finite": int((~finite).sum()), "position off the sphere": int(outside.sum())}
    return ra, dec, keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


def stand_ins(raw: pd.DataFrame, what: str, number: int) -> tuple[pd.DataFrame, Ledger]:
    """Rows of a table that stands in for the survey: ra, dec [degree] and galaxy_id, which holds the number of the table and the row; and their ledger.

    Raises
    ------
    ObjectsError
        It lacks a column, or no row has a position; `what` names it.
    """
    raw = raw.rename(columns=str.lower)
    if missing := [name for name in ("ra", "dec") if name not in raw.columns]:
        raise ObjectsError(f"{what}: {len(raw):,} rows without {', '.join(missing)}; found {', '.join(raw.columns)}")
    ra, dec, keep, ledger = positions_of(raw, what)
    ids = (np.int64(1000 + number) << 22) + np.arange(len(raw), dtype=np.int64)
    return pd.DataFrame({"ra": ra[keep], "dec": dec[keep], "galaxy_id": ids[keep]}), ledger


def pixels_of(ra: pd.Series, dec: pd.Series, nside: int) -> np.ndarray:
    import healpy

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if not ra.size:
        return np.empty(0, np.int64)
    return healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True).astype(np.int64)
