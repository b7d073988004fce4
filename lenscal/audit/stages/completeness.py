"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, brought, fingerprints
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say
from lenscal.io import stores


class Completeness(Audited):
    name = "completeness"
    format = 3  # completeness over the sky
    reads = ("manifest", "injections", "detector", "scores", "judgement", "realism")
    sections = (
        "about",
        "completeness",
        "injections.grid",
        "injections.prior",
        "detector.scientific",
        "detector.artifact",
    )
    parallel = False

    def products(self, run: Run) -> list[Path]:
        return [
            run.path("completeness.zarr"),
            run.path("completeness_map.zarr"),
            run.path("completeness_by_exposures.parquet"),
            *([run.path("completeness_merged.zarr")] if run.settings.completeness.merge_below else []),
            *([run.path("completeness_by_axes.zarr")] if run.settings.completeness.axes else []),
            *(run.path(f"completeness_by_{axis}.zarr") for axis in run.settings.completeness.host_axes),
        ]

    def inputs(self, run: Run) -> dict:
        survey = run.settings.survey
        found: dict = {"brought": brought(run)}
        if survey.randoms:
            points = survey.of_points
            return found | {
                "randoms": fingerprints(survey.randoms, "correct survey.randoms"),
                "density": survey.randoms_density,
                **({"points of": points.photsys} if points is not None and survey.region is None else {}),
            }
        return found | {"tables": fingerprints(run.survey.tables())}

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness
        from lenscal.completeness import binnings

        settings = run.settings
        thresholds = run.store("thresholds").load()
        injected = run.store("injections")
        scored = run.store("scores", "injections")
        counts = completeness.count(injected.load(), scored.load(), thresholds, settings.completeness)
        hosts = run.table("hosts.parquet")
        shifts = completeness.brackets(counts, hosts, run.table("realism/sensitivity.parquet"), settings.completeness)
        cube = completeness.budget(completeness.posteriors(counts, settings.completeness), shifts)
        sky = run.sky()
        occupancy = completeness.occupancy(sky, hosts, settings.injections.grid).assign_attrs(sky.attrs)
        cube = cube.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
        attrs = (
            run.attrs(title=settings.about, detector_hash=run.detector_hash, prior=settings.injections.prior)
            | run.not_scientific
        )
        meant = settings.completeness.population
        attrs |= {
            "population": meant if meant in cube["population"].values else completeness.SURVEY,
            **recovery_of(run),
        }
        if few := thresholds.attrs.get("few_events"):
            attrs["few_events"] = few
        digest = stores.write(
            run.path("completeness.zarr"), schema.COMPLETENESS, cube, {**occupancy.attrs, **cube.attrs, **attrs}
        )
        digest = stores.add_digests([digest, sky_map(run, cube.assign_attrs(attrs))])
        wanted = [axis for axis in settings.completeness.host_axes if axis in injected]
        for axis in wanted:
            by = completeness.by_host(injected.load(), scored.load(), thresholds, settings.completeness, axis)
            if by is None:
                say(f"no host has a {axis}: no cube of it")
                continue
            by = by.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
            by_attrs = {**cube.attrs, **attrs, "about": f"as completeness.zarr, with {axis} as an axis"}
            digest = stores.add_digests(
                [digest, stores.write(run.path(f"completeness_by_{axis}.zarr"), schema.COMPLETENESS, by, by_attrs)]
            )
        extra = {
            "completeness_merged": merged(counts, settings.completeness, occupancy),
            "completeness_by_axes": by_axes(run),
        }
        for name, part in extra.items():
            if part is not None:
                digest = stores.add_digests([digest, written(run, name, part, {**cube.attrs, **attrs})])
        exposures = by_exposures(run, cube.attrs | attrs)
        if exposures is not None:
            path = run.path("completeness_by_exposures.parquet")
            digest = stores.add_digests([digest, int(stores.write_table(path, exposures), 16)])
        gates = (
            *completeness.gates(completeness.of_population(cube.assign_attrs(population=attrs["population"]))),
            completeness.occupancy_gate(occupancy, settings.completeness),
            binnings.gate(exposures),
        )
        return Outcome(digest, int(counts["n_injected"].sum()), gates=gates)


def by_exposures(run: Run, attrs: Mapping[str, object]) -> pd.DataFrame | None:
    """Completeness by exposures for several binnings, of the population that is meant; None where no host has any."""
    from lenscal.completeness import binnings
    from lenscal.completeness.counts import LOG_DENSITIES

    hosts = run.table("hosts.parquet")
    seen = run.manifest.set_index("galaxy_id").reindex(hosts["galaxy_id"]).get("nobs_z")
    if seen is None or seen.isna().any():
        return None
    trials, found = trials_of(run)
    column, density = LOG_DENSITIES[str(attrs["population"])], f"density_{str(attrs['population']).replace('-', '_')}"
    hosts = hosts.assign(nobs_z=seen.to_numpy(np.int64))
    weight = None
    if column in trials and density in hosts:
        weight = "weight"
        with np.errstate(over="ignore", invalid="ignore"):
            trials = trials.assign(weight=np.exp(trials[column] - trials["log_density_host"]))
        hosts = hosts.assign(weight=hosts[density])
    return binnings.by_exposures(trials, hosts, next(iter(found.values())), weight)


def trials_of(run: Run) -> tuple[pd.DataFrame, dict[float, str]]:
    """Every trial with its outcomes, and the column of each threshold, in the order of the thresholds."""
    from lenscal.selection import found_missed
    from lenscal.selection.found_table import found_column

    thresholds = run.store("thresholds").load()
    trials, _ = found_missed(run.store("injections").load(), run.store("scores", "injections").load(), thresholds)
    rates = thresholds["rate_requested" if "rate_requested" in thresholds else "false_positive_rate"].values
    return trials, {float(at): found_column(float(rate)) for at, rate in zip(thresholds["threshold"].values, rates)}


def written(run: Run, name: str, part: xr.Dataset, attrs: Mapping[str, object]) -> int:
    """Write a further cube; its digest."""
    declared = schema.by_axes(run.settings.completeness.axes) if name == "completeness_by_axes" else schema.COMPLETENESS
    return stores.write(run.path(f"{name}.zarr"), declared, part, {**part.attrs, **attrs})


def merged(counts: xr.Dataset, settings: config.Completeness, occupancy: xr.Dataset) -> xr.Dataset | None:
    """The cube with thin cells put together; None where the run file asks for none."""
    from lenscal import completeness

    if not settings.merge_below:
        return None
    return completeness.merged(counts, settings).assign(area=occupancy["area"], host_pool=occupancy["host_pool"])


def by_axes(run: Run) -> xr.Dataset | None:
    """The cube along other axes; None where the run file asks for none."""
    from lenscal import completeness
    from lenscal.completeness.counts import LOG_DENSITIES

    settings = run.settings.completeness
    if not settings.axes:
        return None
    trials, found = trials_of(run)
    weight = {}
    for name, column in LOG_DENSITIES.items():
        if column in trials and "log_density_host" in trials:
            weight[name] = f"weight {name}"
            with np.errstate(over="ignore", invalid="ignore"):
                trials[weight[name]] = np.exp(trials[column] - trials["log_density_host"])
    edges = run.settings.injections.grid.theta_e.edges
    cube = completeness.by_axes(trials, found, weight, edges, settings.axes, settings)
    thresholds = run.store("thresholds").load()
    rates = dict(zip(thresholds["threshold"].values[::-1].tolist(), thresholds["false_positive_rate"].values[::-1]))
    return cube.assign_coords(
        false_positive_rate=("threshold", [rates[at] for at in cube["threshold"].values.tolist()])
    )


def sky_map(run: Run, cube: xr.Dataset) -> int:
    """Write completeness over the footprint; its digest, 0 of stamps."""
    from lenscal import completeness
    from lenscal.audit.sky import pieces

    nside = run.settings.completeness.map_nside
    conditions = pieces(run, cube, nside)
    if conditions is None:
        return 0
    found = completeness.sky_map(cube, conditions, nside)
    return stores.write(run.path("completeness_map.zarr"), schema.SKY_MAP, found, run.attrs())


def recovery_of(run: Run) -> dict[str, str]:
    """What the cube carries wherever it goes: whether injections are recovered as real lenses are,
    as a verdict and in words.
    """
    from lenscal.realism import recovery

    criteria = run.table("realism/criteria.parquet")
    said = criteria.loc[criteria["id"].isin([recovery.NAME, recovery.SCORES]), "verdict"].tolist()
    verdict = next(word for word in ("NO-GO", "not judged", "GO") if word in said)
    return {
        "recovery_verdict": verdict,
        "recovery": recovery.sentence(run.table("realism/recovery.parquet"), verdict),
    }
