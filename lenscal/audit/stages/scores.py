"""Scores: of cutouts and of injections."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.audit.foreseen import detecting
from lenscal.audit.images import injected_images
from lenscal.audit.products import Run
from lenscal.audit.stages.injections import OTHER_COLUMNS, cell_blocks, cell_region
from lenscal.audit.stages.stage import Audited, brought, galaxy_blocks, source_stamps
from lenscal.engine import Block, Outcome, Part, history
from lenscal.engine.stage import Say
from lenscal.io import stores

GROUPS = "cutouts, injections: open one with group='cutouts'; the root holds nothing"


class Scores(Audited):
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
        about = {"schema": "scores", "schema_version": schema.VERSION, "groups": GROUPS}
        stores.write_group(path, xr.Dataset(attrs={**about, **attrs}))
        stores.create(
            path,
            schema.SCORES_CUTOUTS,
            {"galaxy": cutouts.sizes["galaxy"]},
            {},
            attrs,
            group="cutouts",
            block=self._block(run),
            skip=[
                name for name, v in schema.SCORES_CUTOUTS.variables.items() if not v.required and name not in cutouts
            ],
        )
        axes = ("theta_e", "psf_fwhm", "depth")
        sizes = {dim: injections.sizes[dim] for dim in (*axes, "trial")}
        stores.create(
            path, schema.SCORES_INJECTIONS, sizes, {d: injections[d].values for d in axes}, attrs, group="injections"
        )

    @staticmethod
    def _fits(run: Run, injections: xr.Dataset) -> dict[str, object]:
        """Refuse a detector that this run cannot ask; attributes of the scores that follow."""
        detector = run.detector
        detecting.fits(detector, run.settings.injections.size, run.settings.survey.bands)
        check = getattr(detector, "check", None)
        if check is None:
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
        if "start" in block.part:
            part = {"galaxy": slice(block.part["start"], block.part["stop"])}
            dataset = self._cutouts(run, part)
            return Outcome(
                stores.write_block(
                    run.path("scores.zarr"),
                    schema.SCORES_CUTOUTS,
                    dataset,
                    part,
                    group="cutouts",
                    block=self._block(run),
                ),
                dataset.sizes["galaxy"],
            )
        region = cell_region(block)
        dataset = self._injections(run, region)
        return Outcome(
            stores.write_block(run.path("scores.zarr"), schema.SCORES_INJECTIONS, dataset, region, group="injections"),
            dataset["score"].size,
        )

    @staticmethod
    def _cutouts(run: Run, part: dict[str, slice]) -> xr.Dataset:
        """Scores of some cutouts: those of an earlier result where nothing but injections is another."""
        from lenscal import scores

        if (earlier := _scored_before(run)) is not None:
            return stores.open(earlier.path("scores.zarr"), group="cutouts").isel(part).load()
        cutouts, quality = (run.store(name).isel(part).load() for name in ("cutouts", "quality"))
        return scores.score_cutouts(cutouts, quality, run.detector)

    def _injections(self, run: Run, region: dict[str, slice]) -> xr.Dataset:
        """Scores of the trials of a cell: those that an earlier result has, and the others from the detector."""
        from lenscal import scores

        injected, made = run.store("injections").isel(region), []
        left = np.arange(injected.sizes["theta_e"])
        if (earlier := _scored_before(run)) is not None:
            known = stores.open(earlier.path("scores.zarr"), group="injections").isel(region)
            same = np.isclose(injected["theta_e"].values[:, None], known["theta_e"].values, rtol=0, atol=1e-9)
            made = [known.isel(theta_e=np.flatnonzero(same.any(0))).load()] if same.any() else []
            left = np.flatnonzero(~same.any(1))
        if left.size:
            some = injected.isel(theta_e=left).load()
            made.append(scores.score_injections(some, self._images(run), run.detector, run.settings.scores.batch))
        return made[0] if len(made) == 1 else xr.concat(made, "theta_e").sortby("theta_e")

    @staticmethod
    def _images(run: Run) -> Callable[[xr.Dataset], np.ndarray]:
        return lambda block: injected_images(run, block)


def _scored_before(run: Run) -> history.Kept | None:
    """An earlier result that has the scores of these cutouts, and of such of these trials as it had, by this detector:
    it differs in the columns of theta_e, or in whether pixels of injections are kept, and its trials were those.
    """
    allowed = (*OTHER_COLUMNS, "settings.injections.keep_images")
    earlier = history.similar(run.folder, "scores", (*allowed, "reads.injections"))
    if earlier is None:
        return None
    trials = history.similar(run.folder, "injections", allowed, earlier.plan["wanted"]["reads"]["injections"])
    return earlier if trials is not None else None
