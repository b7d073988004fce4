"""Where a run keeps its things, and how each is opened; small enough to travel to a worker."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

import lenscal
from lenscal import schema
from lenscal.audit.surveys import survey_of
from lenscal.config import Settings
from lenscal.engine import PlanError
from lenscal.errors import LenscalError
from lenscal.io import hats_catalogue, stores

if TYPE_CHECKING:
    from lenscal.detector import Detector
    from lenscal.io.survey import Survey

_STARS = ["ra", "dec", "gaia_phot_g_mean_mag"]


class NotGivenError(LenscalError, RuntimeError):
    """A stage asked for something that its address does not hold: its product would be stale, without a
    word, when that changes.
    """


class Given:
    """Settings of which a reader has those of some names (such as ``"completeness"`` or
    ``"cutouts.block"``); others are refused.
    """

    def __init__(self, whole: object, names: Iterable[str], reader: str, prefix: str = "") -> None:
        self._whole, self._reader, self._prefix = whole, reader, prefix
        self._names: dict[str, list[str]] = {}
        for name in names:
            head, _, rest = name.partition(".")
            self._names.setdefault(head, []).append(rest)

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in self._names:
            raise NotGivenError(
                f"stage '{self._reader}' reads the setting '{self._prefix}{name}', which its address does not hold: "
                f"add '{self._prefix}{name}' to its `sections`"
            )
        value, parts = getattr(self._whole, name), self._names[name]
        return value if "" in parts else Given(value, parts, self._reader, f"{self._prefix}{name}.")


@dataclass(frozen=True)
class Run:
    """One run: its settings and its folder of stores. A stage is handed one with the settings and
    `products` that its address holds.
    """

    settings: Settings | Given
    products: frozenset[str] | None = None
    reader: str = ""

    @property
    def folder(self) -> Path:
        return self.settings.stores

    def path(self, name: str) -> Path:
        """Of a product."""
        top = name.split("/")[0]
        if self.products is not None and top not in self.products:
            raise NotGivenError(
                f"stage '{self.reader}' opens the product '{top}', which its address does not hold: add the stage "
                "that writes it to its `reads`"
            )
        return self.folder / name

    @property
    def plans(self) -> Path:
        """What was planned and what is complete, one folder per stage."""
        return self.folder / ".plan"

    def attrs(self, **more: object) -> dict[str, object]:
        """Origin, as every store carries it."""
        settings = self.settings
        attrs = {
            "run": settings.name,
            "seed": settings.seed,
            "lenscal_version": lenscal.__version__,
            "mock": int(settings.survey.mock),
            "timestamp": settings.timestamp,
            "layer": settings.survey.layer,
        }
        return attrs | more

    @property
    def not_scientific(self) -> dict[str, str]:
        """The mark of a quick baseline (requirement M.3), as an attribute; empty without one."""
        detector = self.settings.detector
        if detector.scientific:
            return {}
        what = (
            "a detector brought by the run file, "
            f"{getattr(self.detector, 'origin', 'which does not say on what it was trained')}"
            if detector.artifact
            else "a quick baseline detector"
        )
        return {"not_scientific": f"not scientific: made with {what}"}

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run, such as ``"objects/lenses.parquet"`` or ``"manifest"``."""
        return stores.read_table(self.path(name))

    @cached_property
    def manifest(self) -> pd.DataFrame:
        return self.table("manifest").sort_values("galaxy_id", ignore_index=True)

    @cached_property
    def galaxies(self) -> hats_catalogue.Catalogue:
        """The survey's objects, to be read leaf by leaf."""
        return hats_catalogue.Catalogue(self.path("objects") / "galaxies")

    @cached_property
    def lenses(self) -> pd.DataFrame:
        return self.table("objects/lenses.parquet")

    @cached_property
    def repeated(self) -> pd.DataFrame:
        """Rows of the galaxies whose key another file holds too."""
        return self.table("objects/repeated.parquet")

    @cached_property
    def positives(self) -> pd.DataFrame:
        """The galaxy of each positive."""
        from lenscal.manifest import labels

        return labels.positives(
            self.lenses, self.table("objects/matches.parquet"), self.settings.manifest.positive_lenses
        )

    @cached_property
    def reservoirs(self) -> np.ndarray:
        """How many candidates of each stratum the sample can ask for."""
        from lenscal import manifest

        nearest = self.table("objects/neighbours.parquet").drop_duplicates("galaxy_id")
        return manifest.reservoir_limits(nearest, self.positives, self.settings.manifest)

    def stars(self, ra: np.ndarray, dec: np.ndarray, radius_arcsec: float) -> pd.DataFrame:
        """Gaia stars brighter than G = 16 among the survey's objects: all within a radius of some
        positions, and some beyond.
        """
        parts = [pd.DataFrame({name: pd.Series(dtype=float) for name in _STARS})]
        if self.survey.has_catalogue:
            known = np.isfinite(ra) & np.isfinite(dec)
            parts += map(
                self._stars_of, self.galaxies.near(hats_catalogue.Around(ra[known], dec[known], radius_arcsec))
            )
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def _stars_of(self) -> Callable[[int], pd.DataFrame]:
        """Of a leaf, the bright stars; those of the last leaves are kept, because neighbouring
        blocks ask for the same ones.
        """

        @lru_cache(maxsize=64)
        def read(leaf: int) -> pd.DataFrame:
            table = self.galaxies.read(leaf, _STARS)
            return table[table["gaia_phot_g_mean_mag"].between(0, 16, inclusive="neither")]

        return read

    def store(self, name: str, group: str | None = None, chunks: object = None) -> xr.Dataset:
        """A Zarr store of the run, such as ``"cutouts"``."""
        return stores.open(self.path(f"{name}.zarr"), group=group, chunks=chunks)

    @property
    def usable(self) -> xr.Dataset:
        """Coordinates of the cutouts with `cutout_ok` and `noise_correlation` of their quality, without pixels."""
        whole = self.store("cutouts").reset_coords()
        names = [name for name in schema.GALAXY_COORDS if name in whole]
        coords = whole[names].set_coords(names)
        quality = self.store("quality").reset_coords()
        return coords.assign({name: quality[name] for name in ("cutout_ok", "noise_correlation")}).load()

    @cached_property
    def survey(self) -> Survey:
        """The reader of the pixels."""
        return survey_of(self.settings)

    def sky(self) -> pd.DataFrame:
        """Pieces of sky with their conditions, as `lenscal.completeness.conditions` takes them: random points where the
        run file names some, else bricks; none of stamps.

        `attrs["area_from"]` says which.
        """
        from lenscal.completeness import conditions

        survey = self.settings.survey
        if not self.survey.has_catalogue:
            return pd.DataFrame({name: pd.Series(dtype=float) for name in ("psfsize_r", "psfdepth_r", "area")})
        if survey.randoms:
            from lenscal.io.randoms import read_randoms

            found = conditions.of_randoms(
                read_randoms(survey.randoms, survey.randoms_density, release=survey.of_points)
            )
            found.attrs["area_from"] = "random points: " + ", ".join(name.rsplit("/", 1)[-1] for name in survey.randoms)
            return found
        found = conditions.of_bricks(self.survey.bricks())
        found.attrs["area_from"] = "table of bricks"
        return found

    @cached_property
    def detector(self) -> Detector:
        """The frozen detector of the run, its hash verified."""
        from lenscal import detector

        return detector.reopened(self._detector_json.parent)

    @cached_property
    def detector_hash(self) -> str:
        """Hash that the frozen detector was kept with; whoever asks the detector itself has it verified, and PyTorch
        loaded.
        """
        try:
            return str(json.loads(self._detector_json.read_bytes())["hash"])
        except (ValueError, KeyError, TypeError):
            return self.detector.hash  # which says what is wrong with the file

    @property
    def _detector_json(self) -> Path:
        path = self.path("detector") / "detector.json"
        if not path.exists():
            raise stores.StoreError(f"'{path}' is missing; run the stage that makes it (lenscal run --stages detector)")
        return path

    @cached_property
    def sources(self) -> list[dict] | None:
        """Real galaxy stamps to be lensed, when the run asks for them."""
        if self.settings.injections.source != "stamps":
            return None
        from lenscal.io.cosmos import read_cosmos

        return read_cosmos(self.settings.injections.source_stamps)


def same_detector(run: Run, *names: str) -> None:
    """Hold stores (``"scores/injections"`` is a group of one) against the detector of the run.

    Raises
    ------
    PlanError
        One carries another hash.
    """
    expected = run.detector.hash  # itself held against its content
    for name in names:
        store, _, group = name.partition("/")
        carried = str(run.store(store, group or None).attrs.get("detector_hash", ""))
        if carried != expected:
            what = f"scores of the {group}" if group else store
            raise PlanError(
                f"the {what} carry detector {carried[:12] or 'none'}, the frozen one is {expected[:12]}: run the "
                "stages scores and judgement again"
            )
