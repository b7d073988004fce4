"""A survey of bricks in the layout of DR10: which brick shows a galaxy best, and its pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.io import folders
from lenscal.io.empty import unread
from lenscal.io.survey.errors import PixelError, SurveyError
from lenscal.io.survey.geometry import read_geometry, region_of, tables
from lenscal.io.survey.protocol import FileHash

if TYPE_CHECKING:
    from lenscal.io.survey.bricks import BrickFiles

BRICK_PIXELS = 3600  # of DR10, for a galaxy whose own brick has no file that tells
LOOKED_AT = 2000  # bricks of a long list whose files `check` looks for, evenly spread: DR10 has 366,898
_COLUMNS = ["galaxy_id", "ra", "dec", "brickname"]


class CoaddSurvey:
    """The coadds of a survey below one folder.

    Parameters
    ----------
    root : path
        Of the survey: ``survey-bricks.fits.gz``, ``south/survey-bricks-dr10-south.fits.gz``,
        ``south/coadd/AAA/BRICK/``. The leading ``south/`` may be absent, and the files of a brick may lie in
        ``brick-<BRICK>/`` or in the root itself.
    layer : str
        Name of the data, kept with the pixels; without a release, with "north" in it the folder is ``north/``.
    mock : bool
        The survey was drawn, not observed.
    release : Release, optional
        Of the files; DR10 by default.
    bands : sequence of str
        That are read.
    """

    has_catalogue = True

    def __init__(
        self,
        root: str | Path,
        layer: str,
        mock: bool = False,
        release: schema.Release | None = None,
        bands: Sequence[str] = schema.BANDS,
    ) -> None:
        self._root, self.layer, self.mock, self.bands = root, layer, bool(mock), tuple(bands)
        self._region, self._names = region_of(layer, release)

    @property
    def root(self) -> Path:
        """The folder. Bricks at an address are read by `FetchedCoadds`."""
        if "://" in str(self._root):
            raise SurveyError(
                f"survey root '{self._root}' is a URL; bricks are read from a folder: copy or mount the survey"
            )
        return Path(self._root)

    def bricks(self) -> pd.DataFrame:
        """Bricks of the survey: geometry, and depth, seeing and exposures where a summary is there.

        Returns
        -------
        DataFrame
            Sorted by brickname, names in lower case: ra, dec, ra1, ra2, dec1, dec2 (degree), and of the summary nexp_*,
            psfsize_* (arcsec), psfdepth_*, galdepth_* (AB magnitude), ebv, area (degree^2) as far as it has them. With
            a summary, bricks that are not in it were not observed and are left out.

        Raises
        ------
        SurveyError
            Neither table is there, or one cannot be read.
        """
        return read_geometry(self.root, self._region, self._names).table.copy()

    def tables(self) -> list[Path]:
        """Files of the tables of bricks."""
        return [path for path in tables(self.root, self._region, self._names) if path]

    def pixel_inputs(self, hash_of: FileHash) -> dict[str, object]:
        """See `Survey.pixel_inputs`; of bricks the blocks keep the versions."""
        return {"tables": [hash_of(path) for path in self.tables()]}

    def brick(self, brickname: str, keep: bool = False) -> BrickFiles:
        """Files of one brick, wherever the layout has them.

        Raises
        ------
        PixelError
            No folder holds it.
        """
        from lenscal.io.survey.bricks import BrickFiles  # here: a finished run is looked at without what reads FITS

        name = str(brickname)
        below = f"coadd/{name[:3]}/{name}"
        for place in (f"{self._region}/{below}", below, f"brick-{name}", "."):
            folder = self.root / place
            if folder.is_dir() and (place != "." or folders.matching(folder, f"legacysurvey-{name}-*.fits.fz")):
                return BrickFiles(folder, name, root=self.root, keep=keep, bands=self.bands)
        raise PixelError(f"brick: '{name}' has no folder; expected '{self._region}/{below}'")

    def check(self) -> list[str]:
        """What is there, one sentence each.

        Raises
        ------
        SurveyError
            No folder, no table of bricks, or not one brick with its files.
        """
        if not self.root.is_dir():
            raise SurveyError(f"survey root '{self.root}' is no folder; check survey.root")
        names = read_geometry(self.root, self._region, self._names).names
        step = max(1, -(-len(names) // LOOKED_AT))
        sample = names[::step]
        reasons = [self._lacks(name) for name in sample]
        complete, reason = reasons.count(""), next(filter(None, reasons), "")
        if not complete and not any(self._lacks(name) == "" for name in names):  # a few bricks of a long list
            raise SurveyError(
                f"survey root '{self.root}' lists {len(names)} bricks and has the files of none; the first: {reason}"
            )
        of = f" of the {len(sample)} looked at" if step > 1 else ""
        found = [
            f"{len(names)} bricks listed",
            f"{complete} bricks{of} with image and invvar in {', '.join(self.bands)} and maskbits",
        ]
        return found + ([f"{len(sample) - complete} bricks{of} without files; the first: {reason}"] if reason else [])

    def _lacks(self, name: str) -> str:
        """What a brick lacks; empty when it has all its files."""
        try:
            self.brick(name).require()
        except PixelError as error:
            return str(error)
        return ""

    def read(self, rows: pd.DataFrame, size: int, sources: dict[str, str] | None = None) -> xr.Dataset:
        """Pixels around galaxies, each from the brick where it lies farthest from the edge.

        Parameters
        ----------
        rows : DataFrame
            galaxy_id, ra, dec (degree), brickname.
        size : int
            Side of the stamps in pixels; the pixel nearest to the position is ``size // 2`` of both axes.
        sources : dict, optional
            Takes the `version` of every brick that was looked at, chosen or not.

        Returns
        -------
        Dataset (galaxy, band, y, x)
            In the order of the rows, whatever bricks they lie in: image [nanomaggy] with NaN and invvar [nanomaggy^-2]
            with 0 where nothing was observed, mask (MASKBITS), psfsize [arcsec], failure (why there are no pixels,
            empty when there are; ``kind: what was found``), cutout_url, download_timestamp, layer_version,
            edge_pixel_count.
        """
        if missing := [name for name in _COLUMNS if name not in rows.columns]:
            raise InputError(f"rows have no column {missing}; a survey is read by {_COLUMNS}")
        ra, dec = rows["ra"].to_numpy(float), rows["dec"].to_numpy(float)
        data = unread(rows, size, self.layer, self.mock, bands=self.bands)
        data["edge_pixel_count"] = ("galaxy", np.zeros(len(rows), np.int32), {"units": "pixel"})
        sources = {} if sources is None else sources
        chosen, data["failure"].values[:] = self._choose(ra, dec, rows["brickname"].astype(str).to_numpy(), sources)
        for name in sorted({files.brickname for files in chosen if files is not None}):
            index = np.flatnonzero([files is not None and files.brickname == name for files in chosen])
            files = chosen[index[0]]
            data["cutout_url"].values[index] = files.url
            try:
                read = files.read(ra[index], dec[index], size)
            except PixelError as error:
                data["failure"].values[index] = str(error)
                continue
            for key, values in read.items():
                data[key].values[index] = values
            data["layer_version"].values[index] = f"{self.layer} {files.release}".strip()
        return data

    def version(self, brickname: str) -> str:
        """Hash of names, sizes and times of the files of a brick: another one when a file was
        changed, added or taken away.
        """
        try:
            folder = self.brick(brickname).folder
        except PixelError:
            return "absent"
        with os.scandir(folder) as entries:
            found = sorted(
                (e.name, e.stat().st_size, e.stat().st_mtime_ns)
                for e in entries
                if e.name.startswith(f"legacysurvey-{brickname}-")
            )
        return hashlib.blake2b(repr(found).encode(), digest_size=8).hexdigest()

    def _choose(
        self, ra: np.ndarray, dec: np.ndarray, own: np.ndarray, sources: dict[str, str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each position the files where it is most central (None: nowhere), and why there are none; the bricks
        looked at go into `sources`.
        """
        geometry = read_geometry(self.root, self._region, self._names)
        best = np.zeros(len(ra))
        chosen = np.full(len(ra), None, object)
        failure = np.full(len(ra), "", np.dtypes.StringDType())
        placed = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
        failure[~placed] = "position: ra or dec is not a place on the sky"

        @cache
        def look(name: str) -> BrickFiles | PixelError:
            """A brick whose files are there and whose header is read, or why not; once, however
            many positions it may hold.
            """
            sources[name] = self.version(name)
            try:
                files = self.brick(name)
                files.require()
                files.shape  # noqa: B018
            except PixelError as error:
                return error
            return files

        def offer(name: str, rows: np.ndarray) -> int:
            files = look(str(name))
            if isinstance(files, PixelError):
                raise files
            margin = files.margin(ra[rows], dec[rows])
            better = margin > best[rows]
            best[rows[better]] = margin[better]
            chosen[rows[better]] = files
            return max(files.shape)

        for name in np.unique(own[placed]):
            rows = np.flatnonzero(placed & (own == name))
            side = BRICK_PIXELS
            try:
                side = offer(name, rows)
                failure[rows] = f"outside: the position is not in the image of brick {name}"
            except PixelError as error:
                failure[rows] = str(error)
            for neighbour, index in geometry.candidates(ra[rows], dec[rows], side):
                if neighbour != name:
                    # A broken neighbour is no candidate; a galaxy that lists it as its own is told why.
                    with suppress(PixelError):
                        offer(neighbour, rows[index])
        failure[[files is not None for files in chosen]] = ""
        return chosen, failure
