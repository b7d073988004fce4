"""The rows that trained a brought detector, by its own word."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lenscal.detector.declaration import TrainedOn
from lenscal.detector.tables import read_table
from lenscal.errors import InputError


def rows_of(trained: TrainedOn | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Sorted galaxy_id (int64), and RA and Dec [degree] (row, 2) of the same rows where they are given.

    Raises
    ------
    InputError
        The table has no galaxy_id of whole numbers, or positions that are none.
    """
    if trained is None or trained.rows is None:
        return np.empty(0, np.int64), None
    path = Path(trained.rows)
    table = read_table(path, ("galaxy_id",))
    if "galaxy_id" not in table or table["galaxy_id"].dtype.kind not in "iu":
        raise InputError(
            f"detector: trained_on.rows '{path.name}' has columns {sorted(table)}; expected galaxy_id as whole "
            "numbers, and ra, dec [degree] where known"
        )
    ids = table["galaxy_id"].astype(np.int64)
    order = np.argsort(ids, kind="stable")
    if "ra" not in table or "dec" not in table:
        return ids[order], None
    positions = np.stack([table["ra"], table["dec"]], 1).astype(float)
    if np.any(np.abs(positions[:, 1]) > 90):
        raise InputError(
            f"detector: trained_on.rows '{path.name}' has declinations beyond 90 degrees; expected ra, dec in degrees"
        )
    return ids[order], positions[order]
