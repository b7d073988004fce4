"""Columns of a file as a table."""

from __future__ import annotations

import pandas as pd

from lenscal.io import units
from lenscal.tables import Columns


def framed(columns: Columns) -> pd.DataFrame:
    """Columns as a table, with the units that mean something in `attrs`."""
    table = pd.DataFrame(columns.values)
    table.attrs["units"] = {name: stated for name, unit in columns.units.items() if (stated := units.stated(unit))}
    return table
