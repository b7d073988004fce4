"""Scores: of cutouts and of injections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.audit.images import injected_images
from lenscal.audit.products import Run
from lenscal.audit.stages.injections import cell_blocks, cell_region
from lenscal.audit.stages.stage import brought, galaxy_blocks, source_stamps
from lenscal.engine import Block, Outcome, Part, Stage
from lenscal.engine.stage import Say
from lenscal.errors import InputError
from lenscal.io import stores


class Scores(Stage):
    name = "scores"
    format = 3  # thresholds and judgement are a stage of their own
    reads = ("manifest", "cutouts", "quality", "injections", "detector")
    sections = ("scores.batch", "injections", "cutouts.block", "detector.scientific", "detector.artifact")

    def products(self, run: Run) -> list[Path]:
        return [run.path("scores.zarr")]

    def inputs(self, run: Run) -> dict:
        hint = "correct injections.source_stamps, or choose another injections.source"
        return {
            "source_stamps": source_stamps([run.settings.injections.source_stamps], hint),
            "brought": brought(run),
        }

    def prepare(self, run: Run) -> None:
        path = run.path("scores.zarr")
        cutouts, injections = run.store("cutouts"), run.store("injections")
        attrs = run.attrs(detector_hash=run.detector.hash) | run.not_scientific | self._fits(run, injections)
        stores.write_group(path, xr.Dataset(attrs={"schema": "scores", "schema_version": schema.VERSION, **attrs}))
        stores.create(
            path,
            schema.SCORES_CUTOUTS,
            {"galaxy": cutouts.sizes["galaxy"]},
            {},
            attrs,
            group="cutouts",
            block=self._block(run),
        )
        axes = ("theta_e", "psf_fwhm", "depth")
        sizes = {dim: injections.sizes[dim] for dim in (*axes, "trial")}
        stores.create(
            path, schema.SCORES_INJECTIONS, sizes, {d: injections[d].values for d in axes}, attrs, group="injections"
        )

    @staticmethod
    def _fits(run: Run, injections: xr.Dataset) -> dict[str, object]:
        """Refuse a detector that this run cannot ask; attributes of the scores that follow."""
        detector, size = run.detector, run.settings.injections.size
        check = getattr(detector, "check", None)
        if check is None:
            if detector.size > size:
                raise InputError(
                    f"scores: the detector wants {detector.size} px, injections.size is {size}: set injections.size "
                    f"to {detector.size} or more (and cutouts.size to at least that)"
                )
            return {}
        usable, made = run.usable, injections["failure"].values.astype(object) == ""
        expected = np.concatenate(
            [
                usable["galaxy_id"].values[usable["cutout_ok"].values.astype(bool)],
                injections["injection_id"].values[made],
            ]
        )
        found = check(expected)
        return {"missing_max": detector.missing_max, **{f"table_{name}": number for name, number in found.items()}}

    @staticmethod
    def _block(run: Run) -> int:
        return run.settings.cutouts.block

    def blocks(self, run: Run) -> list[Block]:
        galaxies = galaxy_blocks(run.store("cutouts").sizes["galaxy"], self._block(run))
        return [
            *(Block(f"cutouts-{b.name}", b.part) for b in galaxies),
            *(Block(f"injections-{b.name}", b.part) for b in cell_blocks(run)),
        ]

    def part(self, run: Run, block: Block) -> Part:
        path = run.path("scores.zarr")
        if "start" in block.part:
            return Part(
                path, schema.SCORES_CUTOUTS, {"galaxy": slice(block.part["start"], block.part["stop"])}, "cutouts"
            )
        return Part(path, schema.SCORES_INJECTIONS, cell_region(block), "injections")

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import scores

        path = run.path("scores.zarr")
        if "start" in block.part:
            part = slice(block.part["start"], block.part["stop"])
            cutouts = run.store("cutouts").isel(galaxy=part).load()
            quality = run.store("quality").isel(galaxy=part).load()
            dataset = scores.score_cutouts(cutouts, quality, run.detector)
            digest = stores.write_block(
                path, schema.SCORES_CUTOUTS, dataset, {"galaxy": part}, group="cutouts", block=self._block(run)
            )
            return Outcome(digest, part.stop - part.start)
        i, j = block.part["psf_fwhm"], block.part["depth"]
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        injected = run.store("injections").isel(region).load()
        dataset = scores.score_injections(injected, self._images(run), run.detector, run.settings.scores.batch)
        return Outcome(
            stores.write_block(path, schema.SCORES_INJECTIONS, dataset, region, group="injections"),
            dataset["score"].size,
        )

    @staticmethod
    def _images(run: Run) -> Callable[[xr.Dataset], np.ndarray]:
        return lambda block: injected_images(run, block)
