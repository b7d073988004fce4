"""Columns of astropy that hold more than numbers: places (SkyCoord) as RA and Dec, times as texts."""

from __future__ import annotations

from typing import Any

import numpy as np

from lenscal.tables.plain import TableError

_PLACE = ("ra", "dec")


def places_apart(table: Any) -> Any:
    """A table of astropy whose columns are numbers and texts alone.

    A column ``coord`` of places becomes ``coord.ra`` and ``coord.dec``, in degrees (ICRS), and ``ra`` and ``dec`` too
    where it is the only one and no column has these names. Times become texts (ISO 8601); other columns that are no
    arrays are left out.

    Raises
    ------
    TableError
        Places are in a frame that cannot be brought to ICRS.
    """
    mixed = [name for name in table.colnames if not isinstance(table[name], np.ndarray)]
    if not mixed:
        return table
    from astropy.coordinates import SkyCoord
    from astropy.table import Column, Table
    from astropy.time import Time

    places = [name for name in mixed if isinstance(table[name], SkyCoord)]
    alone = len(places) == 1 and not {name.lower() for name in table.colnames}.intersection(_PLACE)
    out = Table()
    for name in table.colnames:
        column = table[name]
        if name in places:
            for axis, values in zip(_PLACE, _degrees(name, column)):
                for own in (f"{name}.{axis}", *([axis] if alone else [])):
                    out[own] = Column(values, unit="deg")
        elif isinstance(column, Time):
            out[name] = column.isot
        elif name not in mixed:
            out[name] = column
    return out


def _degrees(name: str, places: Any) -> tuple[np.ndarray, np.ndarray]:
    """RA and Dec (ICRS) of a column of places; NaN where one is masked."""
    from astropy.coordinates import ConvertError
    from astropy.units import UnitsError

    try:
        sky = places.icrs
        angles = [getattr(sky, axis).to_value("deg") for axis in _PLACE]
    except (ConvertError, UnitsError, AttributeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise TableError(
            f"column {name} holds places in the frame '{places.frame.name}', which cannot be brought to ICRS "
            f"({reason}); write ra and dec in degrees"
        ) from None
    ra, dec = (np.asarray(values.filled(np.nan) if hasattr(values, "filled") else values, float) for values in angles)
    return ra, dec
