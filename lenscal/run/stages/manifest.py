"""Manifest: leaves scanned, the sample drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import lenscal
from lenscal import schema
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.stages.stage import pixel_inputs, save_tables


class Manifest(Stage):
    name = "manifest"
    reads = ("objects",)
    sections = ("manifest", "objects.margin_arcsec")

    def inputs(self, place: Place) -> dict:
        return {} if place.survey.has_catalogue else pixel_inputs(place)

    def products(self, place: Place) -> list[Path]:
        return [place.path("manifest"), place.path("manifest-notes")]

    def blocks(self, place: Place) -> list[Block]:
        if not place.survey.has_catalogue:
            return []
        return [Block(f"{leaf:08d}", {"leaf": leaf}) for leaf in place.galaxies.leaves]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal.run import scanning  # here: a finished run is looked at without its readers

        # What is scanned is no product; the sample is, and it does not depend on the leaves.
        return Outcome(0, written=scanning.scan_leaf(place, block.part["leaf"], block.name))

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        built = self._built(place)
        table = schema.MANIFEST.check_table(built.table)
        pixel = table["healpix_64"].to_numpy()
        pixel = np.where(pixel >= 0, pixel >> 4, -1)
        tables = {
            f"Npix-{value:04d}" if value >= 0 else "Npix-none": table[pixel == value] for value in np.unique(pixel)
        }
        digest = save_tables(
            place.path("manifest"), tables, aside=["git_commit", "pipeline_version"]
        )  # the same sample, whatever drew it
        notes = {"waterfall": built.waterfall, "strata": built.strata, "balance": built.balance}
        digest += save_tables(place.path("manifest-notes"), notes)
        gates = [*built.gates, built.ledger.gate("manifest")]
        if not place.survey.has_catalogue:
            gates.append(place.survey.ledger.gate("stamps"))
        return gates, {"manifest": built.ledger}, stores.add_digests([digest])

    def rows(self, place: Place, outcomes: Sequence[Outcome]) -> int:
        return len(place.manifest)

    def _built(self, place: Place) -> object:
        from lenscal import manifest
        from lenscal.run import scanning

        settings = place.settings
        provenance = {
            "pipeline_version": lenscal.__version__,
            "git_commit": lenscal.commit(),
            "extraction_timestamp": settings.timestamp,
        }
        if not place.survey.has_catalogue:
            return manifest.external(place.survey.rows(), settings.manifest, settings.seed, provenance)
        names = [block.name for block in self.blocks(place)]
        seen = manifest.merged(scanning.scans(place, names), place.reservoirs, settings.seed)
        drawn = manifest.draw(seen, place.positives, settings.manifest, settings.seed)
        return manifest.assemble(
            scanning.gather(place, drawn.rows),
            drawn,
            seen,
            place.positives,
            place.lenses,
            place.table("objects/contaminants.parquet"),
            settings.manifest,
            settings.seed,
            provenance,
        )
