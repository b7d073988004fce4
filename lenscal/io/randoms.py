"""Random points of a survey (files `randoms-*.fits`): so many to the square degree, with the conditions where each fell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lenscal.io.sweeps import SweepError, SweepFile

_ROWS = 1 << 20  # in memory at a time, all columns of them


def read_randoms(paths: Sequence[str | Path], density: float | None = None) -> pd.DataFrame:
    """Points of one or more files, each of which covers the whole footprint.

    Parameters
    ----------
    paths : sequence of path or URL
    density : float, optional
        Points to the square degree in each file, where its header has no card DENSITY.

    Returns
    -------
    DataFrame
        psfsize_r [arcsec], psfdepth_r (as in the files: an inverse variance), both float32 and 0 without an exposure in r; and area
        [degree^2], what one point stands for.

    Raises
    ------
    SweepError
        When a file cannot be read, holds no point, or nothing says how dense its points are.
    """
    parts, total = [], 0.0
    for path in paths:
        with SweepFile(path, ("PSFSIZE_R", "PSFDEPTH_R")) as file:
            own = density if density is not None else file.header.get("DENSITY")
            if own is None or not float(own) > 0:
                raise SweepError(f"'{path}' has DENSITY {own!r} in its header; expected points to the square degree: give --density")
            if not file.rows:
                raise SweepError(f"'{path}' holds no random point")
            total += float(own)
            parts += [table for _, table in file.parts(_ROWS)]
    if not parts:
        raise SweepError("no file of random points was given")
    return pd.concat(parts, ignore_index=True).rename(columns=str.lower).assign(area=1 / total)
