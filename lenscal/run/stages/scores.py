"""Scores: of cutouts and of injections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.engine import Block, Outcome, Part, Stage
from lenscal.engine.stage import Say
from lenscal.errors import InputError
from lenscal.gates import Gate, Ledger
from lenscal.io import stores
from lenscal.run.images import injected_images
from lenscal.run.place import Place
from lenscal.run.stages.injections import cell_blocks, cell_region
from lenscal.run.stages.stage import brought, fingerprints, galaxy_blocks, save_tables, source_stamps


class Scores(Stage):
    name = "scores"
    format = 2  # thresholds say what they rest on, scores are in double precision and judged
    reads = ("manifest", "cutouts", "quality", "injections", "detector")
    sections = (
        "scores",
        "injections",
        "cutouts.block",
        "completeness.false_positive_rates",
        "detector.scientific",
        "detector.artifact",
        "detector.prevalence",
    )

    def products(self, place: Place) -> list[Path]:
        return [place.path("scores.zarr"), place.path("judgement")]

    def inputs(self, place: Place) -> dict:
        hint = "correct injections.source_stamps, or choose another injections.source"
        return {
            "tables": fingerprints(place.survey.tables()),
            "source_stamps": source_stamps([place.settings.injections.source_stamps], hint),
            "brought": brought(place),
        }

    def prepare(self, place: Place) -> None:
        path = place.path("scores.zarr")
        cutouts, injections = place.store("cutouts"), place.store("injections")
        attrs = place.attrs(detector_hash=place.detector.hash) | place.not_scientific | self._fits(place, injections)
        stores.write_group(path, xr.Dataset(attrs={"schema": "scores", "schema_version": schema.VERSION, **attrs}))
        stores.create(
            path,
            schema.SCORES_CUTOUTS,
            {"galaxy": cutouts.sizes["galaxy"]},
            {},
            attrs,
            group="cutouts",
            block=self._block(place),
        )
        axes = ("theta_e", "psf_fwhm", "depth")
        sizes = {dim: injections.sizes[dim] for dim in (*axes, "trial")}
        stores.create(
            path, schema.SCORES_INJECTIONS, sizes, {d: injections[d].values for d in axes}, attrs, group="injections"
        )

    @staticmethod
    def _fits(place: Place, injections: xr.Dataset) -> dict[str, object]:
        """Refuse a detector that this run cannot ask; attributes of the scores that follow."""
        detector, size = place.detector, place.settings.injections.size
        check = getattr(detector, "check", None)
        if check is None:
            if detector.size > size:
                raise InputError(
                    f"scores: the detector wants {detector.size} px, injections.size is {size}: set injections.size "
                    f"to {detector.size} or more (and cutouts.size to at least that)"
                )
            return {}
        usable, made = place.usable, injections["failure"].values.astype(object) == ""
        expected = np.concatenate(
            [
                usable["galaxy_id"].values[usable["cutout_ok"].values.astype(bool)],
                injections["injection_id"].values[made],
            ]
        )
        found = check(expected)
        return {"missing_max": detector.missing_max, **{f"table_{name}": number for name, number in found.items()}}

    @staticmethod
    def _block(place: Place) -> int:
        return place.settings.cutouts.block

    def blocks(self, place: Place) -> list[Block]:
        galaxies = galaxy_blocks(place.store("cutouts").sizes["galaxy"], self._block(place))
        return [
            *(Block(f"cutouts-{b.name}", b.part) for b in galaxies),
            *(Block(f"injections-{b.name}", b.part) for b in cell_blocks(place)),
        ]

    def part(self, place: Place, block: Block) -> Part:
        path = place.path("scores.zarr")
        if "start" in block.part:
            return Part(
                path, schema.SCORES_CUTOUTS, {"galaxy": slice(block.part["start"], block.part["stop"])}, "cutouts"
            )
        return Part(path, schema.SCORES_INJECTIONS, cell_region(block), "injections")

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import scores

        path = place.path("scores.zarr")
        if "start" in block.part:
            part = slice(block.part["start"], block.part["stop"])
            cutouts = place.store("cutouts").isel(galaxy=part).load()
            quality = place.store("quality").isel(galaxy=part).load()
            dataset = scores.score_cutouts(cutouts, quality, place.detector)
            digest = stores.write_block(
                path, schema.SCORES_CUTOUTS, dataset, {"galaxy": part}, group="cutouts", block=self._block(place)
            )
            return Outcome(digest, part.stop - part.start)
        i, j = block.part["psf_fwhm"], block.part["depth"]
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        injected = place.store("injections").isel(region).load()
        dataset = scores.score_injections(injected, self._images(place), place.detector, place.settings.scores.batch)
        return Outcome(
            stores.write_block(path, schema.SCORES_INJECTIONS, dataset, region, group="injections"),
            dataset["score"].size,
        )

    @staticmethod
    def _images(place: Place) -> Callable[[xr.Dataset], np.ndarray]:
        return lambda block: injected_images(place, block)

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import scores

        scored = place.store("scores", "cutouts").load()
        thresholds = scores.thresholds(scored, place.settings.completeness.false_positive_rates)
        stores.write_group(
            place.path("scores.zarr"), thresholds.assign_attrs(schema_version=schema.VERSION), "thresholds"
        )
        history = place.path("detector") / "history.parquet"
        hosts = np.unique(place.store("injections")["galaxy_id"].values)
        gates = scores.gates(
            scored, stores.read_table(history) if history.exists() else None, place.detector, hosts[hosts >= 0].tolist()
        )
        tables, more = self._judged(place, scored, thresholds)
        digest = save_tables(place.path("judgement"), tables)
        return [*gates, *more], {}, stores.add_digests([stores.digest(thresholds, ("threshold",)), digest])

    @staticmethod
    def _judged(place: Place, scored: xr.Dataset, thresholds: xr.Dataset) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
        """Tables and gates of the judgement."""
        from lenscal import scores
        from lenscal.run import judgement

        settings, grid = place.settings, place.settings.injections.grid
        prevalence = settings.scores.prevalence or settings.detector.prevalence
        edges = {"seeing": grid.psf_fwhm.edges, "depth": grid.depth.edges}
        terms = scores.Terms(settings.scores, prevalence, edges, settings.seed)
        tables, gates = scores.judge(scored, thresholds, judgement.facts(place), terms)
        few = scores.few_events(thresholds)
        tables["shortcuts"], of_parts = judgement.parts(place, scored)
        first = float(thresholds["threshold"].values[0])
        tables["counterfactuals"], of_arcs = judgement.counterfactuals(place, first, few)
        told = {name: schema.JUDGEMENT[name] for name in tables}
        tables = {name: told[name].check_table(told[name].cast_table(table)) for name, table in tables.items()}
        return tables, [*gates, *of_parts, *of_arcs]
