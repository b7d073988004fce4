"""Cutouts: pixels about each row of the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, galaxy_blocks, pixel_inputs
from lenscal.engine import Block, Outcome, Part
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores

_OF_THE_SKY = ("position", "outside", "no coverage", "service")
"""Kinds of failed cutouts that are no fault of the files: a cutout service fails at a place where it answers elsewhere
right after.
"""


class Cutouts(Audited):
    name = "cutouts"
    reads = ("manifest",)
    sections = ("cutouts",)

    def inputs(self, run: Run) -> dict:
        return pixel_inputs(run)

    def sources(self, run: Run, known: Iterable[str]) -> dict[str, str]:
        """Of bricks: a file that was changed, mended, added or taken away is another version."""
        return {name: run.survey.version(name) for name in known}

    def prepare(self, run: Run) -> None:
        from lenscal import cutouts

        settings, bands = run.settings.cutouts, run.settings.survey.bands
        cutouts.check(run.manifest, bands)  # a galaxy that is there twice may be so in two blocks
        # The first rows tell whether this survey brings PSF images, and of what size.
        first = cutouts.cut(run.manifest.iloc[:1], run.survey.read, settings, bands)
        sizes = {"galaxy": len(run.manifest), **{dim: size for dim, size in first.sizes.items() if dim != "galaxy"}}
        stores.create(
            run.path("cutouts.zarr"),
            schema.CUTOUTS,
            sizes,
            {"band": first["band"].values},
            run.attrs(
                pixel_scale_arcsec=schema.PIXEL_SCALE,
                psf_includes_pixel=1,
                rounding_nanomaggy=cutouts.rounding_step(settings),
            ),
            block=settings.block,
            skip=[name for name, v in schema.CUTOUTS.variables.items() if not v.required and name not in first],
        )

    def blocks(self, run: Run) -> list[Block]:
        return galaxy_blocks(len(run.manifest), run.settings.cutouts.block)

    def part(self, run: Run, block: Block) -> Part:
        return Part(
            run.path("cutouts.zarr"), schema.CUTOUTS, {"galaxy": slice(block.part["start"], block.part["stop"])}
        )

    def renewed(self, run: Run, block: Block, outcome: Outcome) -> Outcome | None:
        """Bricks with other times (of a survey that was copied) are cut once more, and nothing is written: None where
        that gives other pixels.
        """
        dataset, sources = self._cut(run, slice(block.part["start"], block.part["stop"]))
        dataset = schema.CUTOUTS.check(schema.CUTOUTS.describe(dataset))
        same = stores.digest(dataset, schema.CUTOUTS.block) == outcome.digest
        return replace(outcome, sources=sources) if same else None

    def _cut(self, run: Run, part: slice) -> tuple[xr.Dataset, dict[str, str]]:
        """Cutouts of rows of the manifest, and the versions of the bricks that were looked at."""
        from lenscal import cutouts

        sources: dict[str, str] = {}
        read = partial(run.survey.read, sources=sources) if hasattr(run.survey, "version") else run.survey.read
        return cutouts.cut(run.manifest.iloc[part], read, run.settings.cutouts, run.settings.survey.bands), sources

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        part = slice(block.part["start"], block.part["stop"])
        dataset, sources = self._cut(run, part)
        failures = pd.Series(dataset["failure"].values.astype(object))
        kinds = failures[failures != ""].str.split(":").str[0]
        broken = failures[kinds.index[~kinds.isin(_OF_THE_SKY)]]
        if len(broken) and run.settings.cutouts.broken == "stop":
            raise stores.StoreError(
                f"{len(broken)} galaxies have no pixels; the first: {broken.iloc[0]} "
                "(mend the files, or set cutouts.broken: count to keep such galaxies as failed rows)"
            )
        digest = stores.write_block(
            run.path("cutouts.zarr"), schema.CUTOUTS, dataset, {"galaxy": part}, block=run.settings.cutouts.block
        )
        ledger = Ledger(len(failures), int((failures == "").sum()), kinds.value_counts().to_dict())
        return Outcome(digest, part.stop - part.start, ledger, sources=sources)

    def finish(self, run: Run, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        rows = len(run.manifest)
        gates = [
            ledger.gate("cutouts"),
            Gate(
                "cutouts.rows",
                "every galaxy of the manifest has a row in the cutouts",
                "rows",
                ledger.rows_in,
                rows,
                rows,
                critical=True,
            ),
        ]
        return gates, {"cutouts": ledger}, 0
