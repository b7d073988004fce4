"""Random points of a survey (files `randoms-*.fits`, or any table of that kind): so many to the square degree, with
the conditions where each fell.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.io.point_tables import PointTable, opened
from lenscal.io.sweeps import SweepError, SweepFile

_COLUMNS, _PLACE = ("PSFSIZE_R", "PSFDEPTH_R"), ("RA", "DEC")
_ROWS = 1 << 20  # in memory at a time, all columns of them
_POINTS = 20.0  # of a file in a pixel of the map of its region, at least on average
_ORDER_MAX = 8
_SLICES, _SLICE = 16, 1024  # of a file, to see whether it covers the region of another
_COARSE = 16
_ALIKE = 0.9
_DENSITY_RTOL = 1e-3  # of a header that was rounded


def read_randoms(
    paths: Sequence[str | Path],
    density: float | None = None,
    places: bool = False,
    release: schema.Release | None = None,
) -> Iterator[pd.DataFrame]:
    """Points of one or more files, some of them at a time. Files may cover one region or several: where they
    overlap, their densities add.

    Parameters
    ----------
    paths : sequence of path or URL
    density : float, optional
        Points to the square degree in each file, where its header has no card DENSITY; refused where one has another.
    places : bool
        Whether ra and dec [degree] of the points come as well.
    release : Release, optional
        Whose region alone is wanted: points that PHOTSYS puts in the other one, or in none, are left out. Of both
        regions each file must say which its points are of, and hold points of each.

    Yields
    ------
    DataFrame
        psfsize_r [arcsec], psfdepth_r (as in the files: an inverse variance), both float32 and 0 without an exposure in
        r; and area [degree^2], what one point stands for. `attrs["inverse"]` says whether the depths are inverse
        variances, where the file states their unit.

    Raises
    ------
    SweepError
        When a file cannot be read, holds no point or none of a region, is of another release, or nothing says how
        dense its points are, or the header and `density` say it differently.
    """
    columns = (
        _COLUMNS if len(paths) == 1 and not places else (*_COLUMNS, *_PLACE)
    )  # opened once each, whether or not their regions differ
    optional = () if release is None else ("PHOTSYS",)
    with ExitStack() as stack:
        files = [stack.enter_context(opened(path, columns, optional)) for path in paths]
        for file in files:
            _check_release(file, release)
        densities = [_density(file, density) for file in files]
        regions = None if len(files) == 1 or _one_region(files) else _Regions(files, densities)
        for file in files:
            read = _COLUMNS if regions is None and not places else columns
            read, seen = (*read, *(name for name in optional if name in file.names)), set()
            for _, table in file.parts(_ROWS, read):
                area = 1 / sum(densities) if regions is None else regions.area(table)
                kept = [*_COLUMNS, *(_PLACE if places else ())]
                points = table[kept].rename(columns=str.lower).assign(area=area)
                if "PHOTSYS" in read:
                    points = points[table["PHOTSYS"].isin([one.photsys for one in release.regions]).to_numpy()]
                    seen |= set(map(str, table["PHOTSYS"].unique()))
                points.attrs["inverse"] = file.inverse_depths
                yield points
            if "PHOTSYS" in read:
                _check_regions(file, release, seen)


def _check_regions(file: SweepFile | PointTable, release: schema.Release, seen: set[str]) -> None:
    """Refuse a file without a point of a region; `seen` are the letters of PHOTSYS that it has."""
    for one in release.regions:
        if one.photsys not in seen:
            raise SweepError(
                f"'{file.path}' ({file.rows:,} rows) holds no point of {one.words} (PHOTSYS '{one.photsys}')"
                + (", and the run reads both regions" if release.parts else ": it is of the other region")
                + "; give the files of the whole release"
                + (" (survey.randoms)" if release.parts else ", or of the region (survey.randoms)")
            )


def _letters(file: SweepFile | PointTable, wanted: set[str]) -> set[str]:
    """Letters of PHOTSYS in a file: of some of its points where those have all that are wanted, since points are in
    random order, else of all.
    """
    starts = np.unique(np.linspace(0, max(file.rows - _SLICE, 0), _SLICES).astype(int))
    some = (file.read(start, start + _SLICE, ("PHOTSYS",)) for start in starts)
    seen: set[str] = set()
    for part in itertools.chain(some, (table for _, table in file.parts(_ROWS, ("PHOTSYS",)))):
        seen |= set(map(str, part["PHOTSYS"].unique()))
        if wanted <= seen:
            break
    return seen


def _check_release(file: SweepFile, release: schema.Release | None) -> None:
    own = None if release is None or file.code is None else schema.release_of_code(file.code)
    if own is not None and own.name not in (release.name, *release.stands_for):
        raise SweepError(
            f"'{file.path}' ({file.rows:,} rows) holds points of {own.title} (RELEASE {file.code}), and the run reads "
            f"{release.title}; give its own (survey.randoms)"
        )
    if release is not None and release.parts and "PHOTSYS" not in file.names:
        raise SweepError(
            f"'{file.path}' ({file.rows:,} rows) has no column PHOTSYS, and the run reads both regions: nothing says "
            "of which a point is; give the files of the whole release (survey.randoms)"
        )


def heads(
    paths: Sequence[str | Path], density: float | None = None, release: schema.Release | None = None
) -> tuple[int, float]:
    """Points of all files, and to the square degree where all of them lie, by the headers; arguments and errors as of
    `read_randoms`, of whose points some are looked at.
    """
    columns = _COLUMNS if len(paths) == 1 else (*_COLUMNS, *_PLACE)
    optional = () if release is None else ("PHOTSYS",)
    with ExitStack() as stack:
        files = [stack.enter_context(opened(path, columns, optional)) for path in paths]
        for file in files:
            _check_release(file, release)
            if "PHOTSYS" in optional and "PHOTSYS" in file.names:
                _check_regions(file, release, _letters(file, {one.photsys for one in release.regions}))
        return sum(file.rows for file in files), sum(_density(file, density) for file in files)


def _one_region(files: Sequence[SweepFile | PointTable]) -> bool:
    """Whether all files cover the same region, by some of their points: those of the survey are in random order."""
    first = None
    for file in files:
        starts = np.unique(np.linspace(0, max(file.rows - _SLICE, 0), _SLICES).astype(int))
        some = pd.concat([file.read(start, start + _SLICE, _PLACE) for start in starts])
        pixels = set(np.unique(_pixels(some, _COARSE)).tolist())
        first = pixels if first is None else first
        if len(first & pixels) < _ALIKE * len(first | pixels):
            return False
    return True


class _Regions:
    """Which part of the sky each file covers, and how dense the points of all of them are there."""

    def __init__(self, files: Sequence[SweepFile | PointTable], densities: Sequence[float]) -> None:
        order = int(np.clip(np.log2(np.sqrt(min(densities) * 41252.96 / 12 / _POINTS)), 0, _ORDER_MAX))
        self._nside = 1 << order
        self._density = np.zeros(12 * self._nside**2)
        for file, density in zip(files, densities):
            covered = np.zeros(self._density.size, bool)
            for _, table in file.parts(_ROWS, _PLACE):
                covered[_pixels(table, self._nside)] = True
            self._density[covered] += density

    def area(self, table: pd.DataFrame) -> np.ndarray:
        """What each point stands for [degree^2]."""
        return 1 / self._density[_pixels(table, self._nside)]


def _pixels(table: pd.DataFrame, nside: int) -> np.ndarray:
    import healpy

    ra, dec = table["RA"].to_numpy("f8"), table["DEC"].to_numpy("f8")
    if not (np.isfinite(ra) & (np.abs(dec) <= 90)).all():
        raise SweepError(
            f"random points: {int((~(np.isfinite(ra) & (np.abs(dec) <= 90))).sum()):,} of {len(ra):,} points have no "
            "position; fetch the files again"
        )
    return healpy.ang2pix(nside, ra, dec, nest=True, lonlat=True) if len(ra) else np.empty(0, np.int64)


def _density(file: SweepFile | PointTable, given: float | None) -> float:
    own = file.header.get("DENSITY")
    known = isinstance(own, (int, float)) and own > 0
    if known and given is not None and not np.isclose(own, given, rtol=_DENSITY_RTOL, atol=0):
        raise SweepError(
            f"'{file.path}' ({file.rows:,} rows) has DENSITY {own:g} in its header, and {given:g} points to the square "
            "degree are given (survey.randoms_density, or --density); expected one of them, or the same: leave it out, "
            "or correct the header"
        )
    found = own if known else given
    if found is None or not found > 0:
        raise SweepError(
            f"'{file.path}' ({file.rows:,} rows) has DENSITY {own!r} in its header; expected points to the square "
            "degree: give them (survey.randoms_density, or --density)"
        )
    if not file.rows:
        raise SweepError(f"'{file.path}' holds no random point")
    return float(found)
