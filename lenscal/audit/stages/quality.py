"""Quality: what each cutout is made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, galaxy_blocks
from lenscal.engine import Block, Outcome, Part
from lenscal.engine.markers import block_digest
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores


class Quality(Audited):
    name = "quality"
    format = 2
    reads = ("objects", "manifest", "cutouts")
    reads_by_block = ("cutouts",)
    sections = ("quality", "cutouts.block")

    def products(self, run: Run) -> list[Path]:
        return [run.path("quality.zarr"), run.path("quality")]

    def prepare(self, run: Run) -> None:
        cutouts = run.store("cutouts")
        bands = cutouts["band"].values.tolist()
        stores.create(
            run.path("quality.zarr"),
            schema.QUALITY,
            {"galaxy": cutouts.sizes["galaxy"], "band": cutouts.sizes["band"], **schema.LAG_SIZES},
            {"band": bands, **schema.LAGS},
            run.attrs(),
            block=run.settings.quality.block,
            skip=list(set(schema.QUALITY.variables) - set(schema.in_bands(schema.QUALITY.variables, bands))),
        )

    def blocks(self, run: Run) -> list[Block]:
        return galaxy_blocks(run.store("cutouts").sizes["galaxy"], run.settings.quality.block)

    def part(self, run: Run, block: Block) -> Part:
        return Part(
            run.path("quality.zarr"), schema.QUALITY, {"galaxy": slice(block.part["start"], block.part["stop"])}
        )

    def sources(self, run: Run, known: Iterable[str]) -> dict[str, str]:
        """Of blocks of cutouts: their digests."""
        return {name: block_digest(run.folder, "cutouts", name) for name in known}

    def _read_by(self, run: Run, block: Block) -> list[str]:
        """Blocks of cutouts that hold the rows of a block."""
        side = run.settings.cutouts.block
        return [f"{start:09d}" for start in range(block.part["start"] // side * side, block.part["stop"], side)]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import quality
        from lenscal.quality import lookalikes

        part = slice(block.part["start"], block.part["stop"])
        sources = self.sources(run, self._read_by(run, block))
        cutouts = run.store("cutouts").isel(galaxy=part).load()
        stars = run.stars(cutouts["ra"].values, cutouts["dec"].values, quality.STAR_RADIUS)
        dataset = quality.measure(cutouts, stars, run.settings.quality).compute()
        summary = quality.check_block(dataset, block.name, run.settings.quality)
        digest = stores.write_block(
            run.path("quality.zarr"), schema.QUALITY, dataset, {"galaxy": part}, block=run.settings.quality.block
        )
        reasons = pd.Series(dataset["reason"].values.astype(object))
        ok = dataset["cutout_ok"].values
        ledger = Ledger(ok.size, int(ok.sum()), reasons[~ok].value_counts().to_dict())
        said = lookalikes.claims(run.manifest.iloc[part])["galaxy_id"].unique()
        shapes = lookalikes.measured(cutouts, dataset, np.flatnonzero(ok & np.isin(cutouts["galaxy_id"].values, said)))
        planes = quality.compared(cutouts, run.manifest.iloc[part]) if run.survey.has_catalogue else []
        return Outcome(
            digest, ok.size, ledger, summary={**summary, "structure": shapes, "planes": planes}, sources=sources
        )

    def tell(self, ledger: Ledger) -> str:
        most = sorted(ledger.dropped.items(), key=lambda item: -item[1])[:2]
        return f"{100 * ledger.rows_out / max(1, ledger.rows_in):.1f} % fit for use" + "".join(
            f", {n} {reason}" for reason, n in most
        )

    def finish(self, run: Run, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import quality
        from lenscal.quality import lookalikes

        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        measured = run.store("quality").load()
        summaries = [dict(outcome.summary) for outcome in outcomes]
        shapes = [row for summary in summaries for row in summary.pop("structure", [])]
        planes = [piece for summary in summaries for piece in summary.pop("planes", [])]
        table = quality.partitions(summaries)
        cutouts = run.store("cutouts").reset_coords()
        drawn = cutouts[["galaxy_id", "band", "image", "mask"]].isel(galaxy=quality.shown(measured)).load()
        origin = cutouts["layer_version"].values.astype(object)
        files = quality.page(measured, drawn, table, origin, run.settings.quality, run.attrs())
        for name, content in files.items():
            stores.write_bytes(run.path("quality") / name, content)
        stores.write_table(run.path("quality") / "partitions.parquet", table)
        ok, reasons = measured["cutout_ok"].values, measured["reason"].values.astype(object)
        unfit = dict(zip(measured["galaxy_id"].values[~ok].tolist(), reasons[~ok].tolist()))
        judged = lookalikes.judged(lookalikes.claims(run.manifest), shapes, unfit)
        counts = lookalikes.counted(judged)
        stores.write_table(run.path("quality") / "contaminants.parquet", judged)
        stores.write_table(run.path("quality") / "contaminant_counts.parquet", counts)
        gates = [
            ledger.gate("quality"),
            *quality.gates(measured, run.settings.quality),
            *quality.plane_gates(planes),
            lookalikes.gate(counts),
        ]
        return gates, {"quality": ledger}, stores.add_digests(map(stores.digest_table, (judged, counts)))
