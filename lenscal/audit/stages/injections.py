"""Injections: arcs in hosts, cell by cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.audit.images import host_pixels
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, fingerprints, source_stamps
from lenscal.engine import Block, Outcome, Part, history
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.io import stores

OTHER_COLUMNS = ("settings.injections.grid.theta_e.start", "settings.injections.grid.theta_e.stop")
"""What may differ between two addresses whose trials in one cell are the same."""


class Injections(Audited):
    name = "injections"
    format = 2  # PSFs are transformed in single precision
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

        settings, bands = run.settings.injections, run.settings.survey.bands
        hosts, ledger = injections.assign_hosts(run.usable, settings, run.settings.seed)
        hosts, lenses = injections.populations.populate(
            hosts,
            run.manifest,
            arc_light(run),
            objects_near(run, hosts["galaxy_id"].to_numpy()),
            settings,
            run.settings.seed,
        )
        if "region" in run.manifest:
            region = run.manifest.set_index("galaxy_id")["region"]
            hosts = hosts.assign(region=region.loc[hosts["galaxy_id"]].to_numpy())
        stores.write_table(run.path("hosts.parquet"), hosts)
        stores.write_json(
            run.plans / "injections" / "hosts.json",
            {"rows_in": ledger.rows_in, "rows_out": ledger.rows_out, "dropped": dict(ledger.dropped), "lenses": lenses},
        )
        sizes = {dim: len(getattr(settings.grid, dim).centres) for dim in ("theta_e", "psf_fwhm", "depth")}
        coords = {dim: getattr(settings.grid, dim).centres for dim in sizes}
        sizes |= {"trial": settings.trials, "band": len(bands), "y": settings.size, "x": settings.size}
        stores.create(
            run.path("injections.zarr"),
            schema.INJECTIONS,
            sizes,
            coords | {"band": np.array(bands)},
            run.attrs(prior=settings.prior, source=settings.source, inner_images=int(settings.inner_images)),
            skip=[
                *(() if settings.keep_images else ("image",)),
                *(() if "density_lens_like" in hosts else ("log_density_lens_like",)),
                *(() if "region" in run.manifest else ("region",)),
                *(set(schema.INJECTIONS.variables) - set(schema.in_bands(schema.INJECTIONS.variables, bands))),
            ],
        )

    def blocks(self, run: Run) -> list[Block]:
        return cell_blocks(run)

    def part(self, run: Run, block: Block) -> Part:
        return Part(run.path("injections.zarr"), schema.INJECTIONS, cell_region(block))

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import injections

        settings = run.settings
        axes = settings.injections.grid
        i, j = block.part["psf_fwhm"], block.part["depth"]
        psf, depth = axes.psf_fwhm.centres[i], axes.depth.centres[j]
        hosts = run.table("hosts.parquet")
        cell = hosts[np.isclose(hosts["psf_fwhm"], psf) & np.isclose(hosts["depth"], depth)].sort_values(
            "rank", ignore_index=True
        )
        region = {"psf_fwhm": slice(i, i + 1), "depth": slice(j, j + 1)}
        made, columns = _made_before(run, region)
        for column in columns:
            drawn = injections.draw(psf, depth, cell, column, settings.seed, run.sources, settings.survey.bands)
            pixels = host_pixels(
                run,
                cell["position"].to_numpy()[cell["galaxy_id"].isin(np.unique(drawn["galaxy_id"].values)).to_numpy()],
            )
            made.append(injections.inject(drawn, pixels, column, settings.seed, sources=run.sources))
        dataset = xr.concat(made, "theta_e").sortby("theta_e") if len(made) > 1 else made[0]
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


def _made_before(run: Run, region: dict[str, slice]) -> tuple[list[xr.Dataset], list[config.Injections]]:
    """Trials of a cell that an earlier result holds, which had other columns of theta_e and all else the same; and the
    settings of the columns that are left to be made.
    """
    settings = run.settings.injections
    earlier = history.similar(run.folder, "injections", OTHER_COLUMNS)
    if earlier is None:
        return [], [settings]
    store, axis = stores.open(earlier.path("injections.zarr")), settings.grid.theta_e
    same = np.isclose(axis.centres[:, None], store["theta_e"].values, rtol=0, atol=1e-9)
    made = [store.isel(region).isel(theta_e=np.flatnonzero(same.any(0))).load()] if same.any() else []
    left = np.flatnonzero(~same.any(1))
    return made, [
        _only(settings, axis.centres[columns[0]], axis.centres[columns[-1]])
        for columns in np.split(left, np.flatnonzero(np.diff(left) > 1) + 1)
        if columns.size
    ]


def _only(settings: config.Injections, start: float, stop: float) -> config.Injections:
    """Settings with these columns of theta_e alone."""
    axis = settings.grid.theta_e.model_copy(update={"start": float(start), "stop": float(stop)})
    return settings.model_copy(update={"grid": settings.grid.model_copy(update={"theta_e": axis})})


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
        pixels = pixels.isel(band=[pixels["band"].values.tolist().index(band) for band in schema.BANDS])
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
    axes = run.settings.injections.grid
    return [
        Block(f"psf{psf:.3f}-depth{depth:.2f}", {"psf_fwhm": i, "depth": j})
        for i, psf in enumerate(axes.psf_fwhm.centres)
        for j, depth in enumerate(axes.depth.centres)
    ]


def cell_region(block: Block) -> dict[str, slice]:
    return {dim: slice(block.part[dim], block.part[dim] + 1) for dim in ("psf_fwhm", "depth")}
