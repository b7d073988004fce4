"""South and north of a release as one survey: each row is cut from the coadds of the region that the survey takes its
place from.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.io.survey.errors import SurveyError
from lenscal.io.survey.geometry import tables
from lenscal.io.survey.protocol import FileHash

if TYPE_CHECKING:
    from lenscal.io.survey.bricks import BrickFiles
    from lenscal.io.survey.coadds import CoaddSurvey
    from lenscal.io.survey.service import ServiceSurvey

_HALF = 0.125  # of a brick [degree]


class BothRegions:
    """The pixels of two regions, such as of a service.

    Parameters
    ----------
    release : Release
        Of both regions.
    of : callable
        ``of(part, layer)`` gives the survey of one region.
    layer : str
        As the surveys of the regions take it; where it is that of both, each region has its own.
    """

    has_catalogue = True

    def __init__(
        self, release: schema.Release, of: Callable[[schema.Release, str], CoaddSurvey | ServiceSurvey], layer: str
    ) -> None:
        self.release = release
        self.parts = {
            part.region: of(part, part.layer if layer == release.layer else layer) for part in release.regions
        }

    def tables(self) -> list[Path]:
        """Files of the tables of bricks of both regions."""
        return list(dict.fromkeys(path for part in self.parts.values() for path in part.tables()))

    def pixel_inputs(self, hash_of: FileHash) -> dict[str, object]:
        """See `Survey.pixel_inputs`."""
        return {"tables": [hash_of(path) for path in self.tables()]}

    def bricks(self) -> pd.DataFrame:
        """Bricks of both regions, as `CoaddSurvey.bricks`, with the `region` that each row is of.

        A brick that both have is there once, as the region has it whose part of the sky holds its middle; one that
        reaches into no part of its own region is left out.

        Raises
        ------
        SurveyError
            One region has no table of its own.
        """
        found = []
        for region, part in self.parts.items():
            self._require_table(region)
            table = part.bricks().assign(region=region)
            middle, reaches = self._owned(table, region)
            found.append(table.assign(_middle=middle)[reaches])
        whole = pd.concat(found, join="inner", ignore_index=True)
        whole = whole.sort_values(["brickname", "_middle"], ascending=[True, False], kind="stable", ignore_index=True)
        return whole.drop_duplicates("brickname", ignore_index=True).drop(columns="_middle")

    def _owned(self, table: pd.DataFrame, region: str) -> tuple[np.ndarray, np.ndarray]:
        """Whether the middle of each brick lies in its region's part of the sky, and whether anything of it does."""
        ra, dec = (table[name].to_numpy(float) for name in ("ra", "dec"))
        middle = self.release.region_at(ra, dec) == region
        wide = _HALF / np.cos(np.deg2rad(dec))
        corners = [self.release.region_at(ra + x * wide, dec + y * _HALF) == region for x in (-1, 1) for y in (-1, 1)]
        return middle, np.logical_or.reduce([middle, *corners])

    def _require_table(self, region: str) -> None:
        part = self.parts[region]
        names = [name.format(region=region) for name in self.release.bricks]
        if tables(part.root, region, self.release.bricks)[1] is None:
            raise SurveyError(
                f"survey root '{part.root}' has no table of bricks of the {region}, and the run reads both regions; "
                f"expected {region}/{names[0]}: copy it, or give one region (survey.region)"
            )

    def check(self) -> list[str]:
        """See `CoaddSurvey.check`, of each region.

        Raises
        ------
        SurveyError
            What one of them refuses.
        """
        found = []
        for region, part in self.parts.items():
            self._require_table(region)
            found += [f"{region}: {line}" for line in part.check()]
        return found

    def read(self, rows: pd.DataFrame, size: int) -> xr.Dataset:
        """See `Survey.read`; each row from the region at its position."""
        return self._joined(rows, lambda region, own: self.parts[region].read(own, size))

    def _joined(self, rows: pd.DataFrame, read: Callable[[str, pd.DataFrame], xr.Dataset]) -> xr.Dataset:
        region = self.release.region_at(rows["ra"].to_numpy(float), rows["dec"].to_numpy(float))
        places = {name: np.flatnonzero(region == name) for name in self.parts}
        found = [read(name, rows.iloc[place]) for name, place in places.items() if place.size or not len(rows)]
        if len(found) == 1 or not len(rows):
            return found[0]
        order = np.argsort(np.concatenate(list(places.values())), kind="stable")
        whole = xr.concat(
            found, "galaxy", data_vars="minimal", coords="minimal", combine_attrs="override", join="exact"
        )
        return whole.isel(galaxy=order)


class BothCoadds(BothRegions):
    """The coadds of two regions, in a folder or at an address.

    A brick is called ``<region>/<brick>`` where its version is asked for, since one brick may exist in both regions.
    """

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != "_regions"}

    def read(self, rows: pd.DataFrame, size: int, sources: dict[str, str] | None = None) -> xr.Dataset:
        """See `CoaddSurvey.read`; each row from the region at its position."""
        sources = {} if sources is None else sources

        def one(region: str, own: pd.DataFrame) -> xr.Dataset:
            looked: dict[str, str] = {}
            found = self.parts[region].read(own, size, looked)
            sources.update({f"{region}/{name}": version for name, version in looked.items()})
            return found

        return self._joined(rows, one)

    def version(self, name: str) -> str:
        """See `CoaddSurvey.version`."""
        region, _, brick = name.partition("/")
        return self.parts[region].version(brick)

    @cached_property
    def _regions(self) -> dict[str, str]:
        bricks = self.bricks()
        return dict(zip(bricks["brickname"], bricks["region"]))

    def brick(self, brickname: str, keep: bool = False) -> BrickFiles:
        """See `CoaddSurvey.brick`; of the region that `bricks` has it of."""
        return self.parts[self._regions.get(str(brickname), "south")].brick(brickname, keep)
