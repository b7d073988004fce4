"""Random points of a survey (files `randoms-*.fits`): so many to the square degree, with the conditions where each fell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from lenscal.io.sweeps import SweepError, SweepFile

_COLUMNS = ("PSFSIZE_R", "PSFDEPTH_R")
_ROWS = 1 << 20  # in memory at a time, all columns of them


def read_randoms(paths: Sequence[str | Path], density: float | None = None) -> Iterator[pd.DataFrame]:
    """Points of one or more files, each of which covers the whole footprint, some of them at a time.

    Parameters
    ----------
    paths : sequence of path or URL
    density : float, optional
        Points to the square degree in each file, where its header has no card DENSITY.

    Yields
    ------
    DataFrame
        psfsize_r [arcsec], psfdepth_r (as in the files: an inverse variance), both float32 and 0 without an exposure in r; and area
        [degree^2], what one point stands for.

    Raises
    ------
    SweepError
        When a file cannot be read, holds no point, or nothing says how dense its points are.
    """
    total = sum(_density(path, density) for path in paths)
    for path in paths:
        with SweepFile(path, _COLUMNS) as file:
            for _, table in file.parts(_ROWS):
                yield table.rename(columns=str.lower).assign(area=1 / total)


def _density(path: str | Path, given: float | None) -> float:
    with SweepFile(path, _COLUMNS) as file:
        found = given if given is not None else file.header.get("DENSITY")
        if not isinstance(found, (int, float)) or not found > 0:
            raise SweepError(
                f"'{path}' ({file.rows:,} rows) has DENSITY {found!r} in its header; expected points to the square degree: give them "
                "(survey.randoms_density, or --density)"
            )
        if not file.rows:
            raise SweepError(f"'{path}' holds no random point")
    return float(found)
