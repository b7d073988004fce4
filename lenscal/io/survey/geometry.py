"""The tables of bricks: where each brick is, what was observed there, and which bricks may show a position."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.io import folders

from .errors import SurveyError

LAYOUT = "survey-bricks.fits.gz, {region}/coadd/AAA/BRICK/legacysurvey-BRICK-image-g.fits.fz"


NAMES = schema.release("dr10", "south").bricks


class Geometry:
    """Bricks of a survey, sorted by name, and the search for those near a position."""

    def __init__(self, table: pd.DataFrame) -> None:
        from scipy.spatial import cKDTree

        self.table = table
        self.names = table["brickname"].to_numpy(str)
        self._ra, self._dec = table["ra"].to_numpy(float), table["dec"].to_numpy(float)
        self._tree = cKDTree(_unit(self._ra, self._dec))

    def candidates(self, ra: np.ndarray, dec: np.ndarray, side: int) -> list[tuple[str, np.ndarray]]:
        """Bricks of `side` pixels whose image may hold some of the positions (degrees), and the
        rows of those positions.
        """
        half = np.deg2rad((side / 2 + 2) * schema.PIXEL_SCALE / 3600)
        found = self._tree.query_ball_point(_unit(ra, dec), 2 * np.sin(half / np.sqrt(2)))
        rows = np.repeat(np.arange(len(ra)), [len(bricks) for bricks in found])
        bricks = np.array([brick for near in found for brick in near], np.int64)
        x, y = _tangent(ra[rows], dec[rows], self._ra[bricks], self._dec[bricks])
        held = np.maximum(np.abs(x), np.abs(y)) < np.tan(half)
        rows, bricks = rows[held], bricks[held]
        return [(self.names[brick], rows[bricks == brick]) for brick in np.unique(bricks)]


def read_geometry(root: Path, region: str, names: Sequence[str] = NAMES) -> Geometry:
    """Of the survey below a folder; `region` is ``"south"`` or ``"north"``, `names` are those its summary may have.

    Raises
    ------
    SurveyError
        Neither ``survey-bricks.fits.gz`` nor the summary of the region is there, or one cannot be read.
    """
    geometry, summary = tables(root, region, names)
    if geometry is None and summary is None:
        raise SurveyError(
            f"survey root '{root}' has no table of bricks: {folders.holds(root)}; expected "
            f"{LAYOUT.format(region=region)}; check survey.root"
        )
    return _joined(*((str(path), path.stat().st_mtime_ns) if path else None for path in (geometry, summary)))


def tables(root: Path, region: str, names: Sequence[str] = NAMES) -> tuple[Path | None, Path | None]:
    """The table of bricks of a survey and the summary of a region, where they are."""
    summaries = [name.format(region=region) for name in names]
    geometry = _first(root, ["survey-bricks.fits.gz", f"{region}/survey-bricks.fits.gz"])
    return geometry, _first(root, [*(f"{region}/{name}" for name in summaries), *summaries])


def region_of(layer: str, release: schema.Release | None) -> tuple[str, Sequence[str]]:
    """Region, and names of its table of bricks: of a release, or as a layer of DR10 and before says them."""
    return ("north" if "north" in layer else "south", NAMES) if release is None else (release.region, release.bricks)


def _first(root: Path, names: list[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_file()), None)


@lru_cache(maxsize=4)
def _joined(geometry: tuple[str, int] | None, summary: tuple[str, int] | None) -> Geometry:
    """One table from both; kept for as long as the files stay as they are, so that blocks do not read them again."""
    tables = [_read(place[0]) for place in (geometry, summary) if place is not None]
    table = tables[0]
    if len(tables) == 2:
        new = [name for name in tables[1].columns if name == "brickname" or name not in table.columns]
        table = table.merge(tables[1][new], on="brickname", how="inner", validate="one_to_one")
    return Geometry(table.sort_values("brickname", ignore_index=True))


_UNITS = {"psfsize_": "arcsec", "psfdepth_": "mag", "galdepth_": "mag", "area": "deg^2", "ebv": "mag"}


def _read(path: str) -> pd.DataFrame:
    from lenscal.io import units
    from lenscal.io.tables.reading import read_table
    from lenscal.io.tables.stated_units import CatalogueError

    try:
        table = read_table(path)
    except CatalogueError as error:
        raise SurveyError(f"table of bricks '{path}' cannot be read; copy it again ({error})") from None
    stated = {name.lower(): unit for name, unit in table.attrs["units"].items()}
    table.columns = [str(name).lower() for name in table.columns]
    if missing := [name for name in ("brickname", "ra", "dec") if name not in table]:
        raise SurveyError(f"table of bricks '{path}' has no column {missing}; found {sorted(table)}")
    for name in table.columns:
        expected = next(
            (
                unit
                for start, unit in _UNITS.items()
                if name == start or (start.endswith("_") and name.startswith(start))
            ),
            None,
        )
        if expected and (problem := units.problem(stated.get(name), expected)):
            raise SurveyError(
                f"table of bricks '{path}', {len(table):,} rows: column {name} {problem}; take the survey's own table"
            )
        if table[name].dtype in ("Int64", "UInt64"):  # blank where TNULL says so
            table[name] = table[name].astype("Float64").to_numpy("f8", na_value=np.nan)
    placed = table["ra"].between(-180, 360) & table["dec"].between(-90, 90)
    if not placed.all():
        first = table["brickname"][~placed].iloc[0]
        raise SurveyError(
            f"table of bricks '{path}': {int((~placed).sum()):,} of {len(table):,} bricks have no position in "
            f"degrees, the first: '{first}'; copy it again"
        )
    table["brickname"] = table["brickname"].astype(str).str.strip()
    twice = table["brickname"][table["brickname"].duplicated()]
    if len(twice):
        raise SurveyError(f"table of bricks '{path}' names brick '{twice.iloc[0]}' twice")
    table.attrs = {}
    return table


def _unit(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def _tangent(ra: np.ndarray, dec: np.ndarray, ra0: np.ndarray, dec0: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gnomonic coordinates about centres (degrees), in radians (Calabretta & Greisen 2002, section 5.1.3)."""
    ra, dec, dec0 = np.deg2rad(ra - ra0), np.deg2rad(dec), np.deg2rad(dec0)
    depth = np.sin(dec) * np.sin(dec0) + np.cos(dec) * np.cos(dec0) * np.cos(ra)
    return np.cos(dec) * np.sin(ra) / depth, (
        np.sin(dec) * np.cos(dec0) - np.cos(dec) * np.sin(dec0) * np.cos(ra)
    ) / depth
