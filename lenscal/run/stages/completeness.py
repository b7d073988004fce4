"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

import pandas as pd

from lenscal import schema
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome
from lenscal.run.stages.stage import Say, Stage


class Completeness(Stage):
    name = "completeness"
    reads = ("injections", "scores")
    sections = ("completeness",)
    parallel = False

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness

        settings = place.settings
        thresholds = place.store("scores", "thresholds").load()
        injected = place.store("injections")
        scored = place.store("scores", "injections")
        counts = completeness.count(injected.load(), scored.load(), thresholds, settings.completeness)
        cube = completeness.posterior(counts, settings.completeness)
        occupancy = completeness.occupancy(self._bricks(place), place.table("hosts.parquet"), settings.injections.grid)
        cube = cube.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
        attrs = place.attrs(detector_hash=place.detector.hash, prior=settings.injections.prior) | place.not_scientific
        digest = stores.write(place.path("completeness.zarr"), schema.COMPLETENESS, cube, {**occupancy.attrs, **cube.attrs, **attrs})
        return Outcome(digest, int(counts["n_injected"].sum()), gates=tuple(completeness.gates(cube)))

    @staticmethod
    def _bricks(place: Place) -> pd.DataFrame:
        if place.settings.survey.layout != "dr10":
            return pd.DataFrame({name: pd.Series(dtype=float) for name in ("psfsize_r", "psfdepth_r", "area")})
        return place.survey.bricks()
