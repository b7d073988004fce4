"""Manifest: leaves scanned, the sample drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

import lenscal
from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, pixel_inputs, save_tables
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores


class Manifest(Audited):
    name = "manifest"
    reads = ("objects",)
    sections = ("manifest", "objects.margin_arcsec")

    def inputs(self, run: Run) -> dict:
        return {} if run.survey.has_catalogue else pixel_inputs(run)

    def products(self, run: Run) -> list[Path]:
        return [run.path("manifest"), run.path("manifest-notes")]

    def blocks(self, run: Run) -> list[Block]:
        if not run.survey.has_catalogue:
            return []
        return [Block(f"{leaf:08d}", {"leaf": leaf}) for leaf in run.galaxies.leaves]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal.audit import scanning  # here: a finished run is looked at without its readers

        # What is scanned is no product; the sample is, and it does not depend on the leaves.
        return Outcome(0, written=scanning.scan_leaf(run, block.part["leaf"], block.name))

    def finish(self, run: Run, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        built = self._built(run)
        table = schema.MANIFEST.check_table(built.table)
        pixel = table["healpix_64"].to_numpy()
        pixel = np.where(pixel >= 0, pixel >> 4, -1)
        tables = {
            f"Npix-{value:04d}" if value >= 0 else "Npix-none": table[pixel == value] for value in np.unique(pixel)
        }
        digest = save_tables(
            run.path("manifest"), tables, aside=["git_commit", "pipeline_version"]
        )  # the same sample, whatever drew it
        notes = {"waterfall": built.waterfall, "strata": built.strata, "balance": built.balance}
        digest += save_tables(run.path("manifest-notes"), notes)
        gates = [*built.gates, built.ledger.gate("manifest")]
        if not run.survey.has_catalogue:
            from lenscal.io.survey.stamps.hosts import host_gates

            gates += [run.survey.ledger.gate("stamps"), *host_gates(run.survey.ledger)]
        return gates, {"manifest": built.ledger}, stores.add_digests([digest])

    def rows(self, run: Run, outcomes: Sequence[Outcome]) -> int:
        return len(run.manifest)

    def _built(self, run: Run) -> object:
        from lenscal import manifest
        from lenscal.audit import scanning

        settings = run.settings
        provenance = {
            "pipeline_version": lenscal.__version__,
            "git_commit": lenscal.commit(),
            "extraction_timestamp": settings.timestamp,
        }
        if not run.survey.has_catalogue:
            return manifest.external(run.survey.rows(), settings.manifest, settings.seed, provenance)
        names = [block.name for block in self.blocks(run)]
        seen = manifest.merged(scanning.scans(run, names), run.reservoirs, settings.seed)
        drawn = manifest.draw(seen, run.positives, settings.manifest, settings.seed)
        rows, release = scanning.gather(run, drawn.rows), settings.survey.release
        if release.parts:
            rows = rows.assign(region=release.region_at(rows["ra"].to_numpy(), rows["dec"].to_numpy()))
        return manifest.assemble(
            rows,
            drawn,
            seen,
            run.positives,
            run.lenses,
            run.table("objects/contaminants.parquet"),
            settings.manifest,
            settings.seed,
            provenance,
        )
