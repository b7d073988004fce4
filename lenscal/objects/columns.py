"""What every table of positions goes through: columns there, positions on the sphere, pixels."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal.gates import Ledger


class ObjectsError(ValueError):
    """A table of objects that would make a result wrong."""


def positions_of(raw: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, Ledger]:
    """RA, Dec, the rows with a usable position, and the ledger of the others."""
    ra, dec = (pd.to_numeric(raw[name], errors="coerce").to_numpy("f8") for name in ("ra", "dec"))
    finite = np.isfinite(ra) & np.isfinite(dec)
    outside = finite & ~((ra >= 0) & (ra <= 360) & (np.abs(dec) <= 90))
    keep = finite & ~outside
    dropped = {"position not finite": int((~finite).sum()), "position off the sphere": int(outside.sum())}
    return ra, dec, keep, Ledger(len(raw), int(keep.sum()), {reason: rows for reason, rows in dropped.items() if rows})


def pixels_of(ra: pd.Series, dec: pd.Series, nside: int) -> np.ndarray:
    import healpy

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if not ra.size:
        return np.empty(0, np.int64)
    return healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True).astype(np.int64)
