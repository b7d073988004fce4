"""Injections: arcs in hosts, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import fingerprints, source_stamps
from lenscal.engine import Block, Outcome, Part, Stage
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores


class Injections(Stage):
    name = "injections"
    reads = ("objects", "manifest", "cutouts", "quality")
    sections = ("injections",)

    def inputs(self, run: Run) -> dict:
        from lenscal.injections import prior_sets

        settings = run.settings.injections
        found = {"prior": prior_sets.named(settings.prior, settings.more_priors)}
        hint = "correct injections.source_stamps, or choose another injections.source"
        if settings.allocation:
            found["allocation"] = fingerprints([settings.allocation], "correct injections.allocation")
        return found | {"source_stamps": source_stamps([settings.source_stamps], hint)}

    def products(self, run: Run) -> list[Path]:
        return [run.path("injections.zarr"), run.path("hosts.parquet")]

    def prepare(self, run: Run) -> None:
        from lenscal import injections

        settings = run.settings.injections
        hosts, ledger = injections.assign_hosts(run.usable, settings, run.settings.seed)
        hosts, lenses = injections.populations.populate(
            hosts,
            run.manifest,
            arc_light(run),
            objects_near(run, hosts["galaxy_id"].to_numpy()),
            settings,
            run.settings.seed,
        )
        stores.write_table(run.path("hosts.parquet"), hosts)
        stores.write_json(
            run.plans / "injections" / "hosts.json",
            {"rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "dropped": dict(ledger.dropped), "lenses": lenses},
        )
        sizes = {dim: len(getattr(settings.grid, dim).centres) for dim in ("theta_e", "psf_fwhm", "depth")}
        coords = {dim: getattr(settings.grid, dim).centres for dim in sizes}
        sizes |= {"trial": settings.trials, "band": len(schema.BANDS), "y": settings.size, "x": settings.size}
        stores.create(
            run.path("injections.zarr"),
            schema.INJECTIONS,
            sizes,
            coords | {"band": np.array(schema.BANDS)},
            run.attrs(prior=settings.prior, source=settings.source, inner_images=int(settings.inner_images)),
            skip=[
                *(() if settings.keep_images else ("image",)),
                *(() if "density_lens_like" in hosts else ("log_density_lens_like",)),
            ],
        )

    def blocks(self, run: Run) -> list[Block]:
        return cell_blocks(run)

    def part(self, run: Run, block: Block) -> Part:
        return Part(run.path("injections.zarr"), schema.INJECTIONS, cell_region(block))

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import injections

        settings = run.settings
        grid = settings.injections.grid
        i, j = block.part["psf_fwhm"], block.part["depth"]
        psf, depth = grid.psf_fwhm.centres[i], grid.depth.centres[j]
        hosts = run.table("hosts.parquet")
        cell = hosts[np.isclose(hosts["psf_fwhm"], psf) & np.isclose(hosts["depth"], depth)].sort_values(
            "rank", ignore_index=True
        )
        drawn = injections.draw(psf, depth, cell, settings.injections, settings.seed, sources=run.sources)
        pixels = host_pixels(
            run, cell["position"].to_numpy()[cell["galaxy_id"].isin(np.unique(drawn["galaxy_id"].values)).to_numpy()]
        )
        dataset = injections.inject(drawn, pixels, settings.injections, settings.seed, sources=run.sources)
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        digest = stores.write_block(run.path("injections.zarr"), schema.INJECTIONS, dataset, region)
        failure = pd.Series(dataset["failure"].values.astype(object).ravel())
        return Outcome(
            digest,
            failure.size,
            Ledger(failure.size, int((failure == "").sum()), failure[failure != ""].value_counts().to_dict()),
        )

    def finish(self, run: Run, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import injections

        ledger = sum((o.ledger for o in outcomes), Ledger(0, 0))
        noted = json.loads((run.plans / "injections" / "hosts.json").read_text())
        lenses, hosts, table = noted.pop("lenses"), Ledger(**noted), run.table("hosts.parquet")
        gates = injections.gates(run.store("injections").load(), table, run.settings.injections)
        gates += injections.populations.gates(table, lenses, run.settings.injections)
        return (
            [hosts.gate("hosts"), ledger.gate("injections"), *gates],
            {"hosts": hosts, "injections": ledger},
            stores.digest_table(table),
        )


def arc_light(run: Run) -> pd.DataFrame:
    """Light beside the models of the known lenses that are fit for use: arc_g, arc_r, arc_z
    [nanomaggy], by galaxy_id.
    """
    from lenscal import arclight, cutouts, realism

    usable = run.usable
    lenses = np.flatnonzero((usable["label"].values == 1) & usable["cutout_ok"].values.astype(bool))
    parts = [
        pd.DataFrame(
            {name: pd.Series(dtype=float) for name in ("arc_g", "arc_r", "arc_z")}, index=pd.Index([], dtype="int64")
        )
    ]
    for start in range(0, lenses.size, 256):
        pixels = host_pixels(run, lenses[start : start + 256]).transpose("galaxy", "band", ...)
        images = realism.centred(cutouts.crop(pixels["image"], run.settings.injections.size).values, pixels.sizes["x"])
        sigma, correlation = (pixels[name].values.astype(float) for name in ("sigma", "noise_correlation"))
        good = np.flatnonzero(((sigma > 0) & (correlation > 0)).all(1))
        flux = arclight.measured(images[good], sigma[good], correlation[good]).arcs.flux
        parts.append(pd.DataFrame(flux, columns=["arc_g", "arc_r", "arc_z"], index=pixels["galaxy_id"].values[good]))
    return pd.concat(parts)


def objects_near(run: Run, ids: np.ndarray) -> pd.DataFrame | None:
    """Objects of the survey around these galaxies of the manifest (ra, dec, flux_r); None where the run has
    no catalogue of objects.
    """
    from lenscal.injections import populations
    from lenscal.io import hats_catalogue

    if not run.survey.has_catalogue:
        return None
    rows = run.manifest.set_index("galaxy_id").loc[ids]
    around = hats_catalogue.Around(rows["ra"].to_numpy(float), rows["dec"].to_numpy(float), populations.REACH)
    columns = ["ra", "dec", "flux_r"]
    found = list(run.galaxies.beside(around, columns))
    return (
        pd.concat([part[columns] for part in found], ignore_index=True)
        if found
        else pd.DataFrame(columns=columns, dtype=float)
    )


def cell_blocks(run: Run) -> list[Block]:
    grid = run.settings.injections.grid
    return [
        Block(f"psf{psf:.3f}-depth{depth:.2f}", {"psf_fwhm": i, "depth": j})
        for i, psf in enumerate(grid.psf_fwhm.centres)
        for j, depth in enumerate(grid.depth.centres)
    ]


def cell_region(block: Block) -> dict[str, slice]:
    return {dim: slice(block.part[dim], block.part[dim] + 1) for dim in ("psf_fwhm", "depth")}
