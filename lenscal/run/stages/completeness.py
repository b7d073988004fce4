"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import config, schema
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.stages.stage import brought, fingerprints


class Completeness(Stage):
    name = "completeness"
    format = 3  # completeness over the sky
    reads = ("manifest", "injections", "detector", "scores", "realism")
    sections = (
        "about",
        "completeness",
        "injections.grid",
        "injections.prior",
        "detector.scientific",
        "detector.artifact",
    )
    parallel = False

    def products(self, place: Place) -> list[Path]:
        return [
            place.path("completeness.zarr"),
            place.path("completeness_map.zarr"),
            place.path("completeness_by_exposures.parquet"),
            *([place.path("completeness_merged.zarr")] if place.settings.completeness.merge_below else []),
            *([place.path("completeness_by_axes.zarr")] if place.settings.completeness.axes else []),
            *(place.path(f"completeness_by_{axis}.zarr") for axis in place.settings.completeness.host_axes),
        ]

    def inputs(self, place: Place) -> dict:
        survey = place.settings.survey
        found: dict = {"brought": brought(place)}
        if survey.randoms:
            return found | {
                "randoms": fingerprints(survey.randoms, "correct survey.randoms"),
                "density": survey.randoms_density,
            }
        return found | {"tables": fingerprints(place.survey.tables())}

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness
        from lenscal.completeness import binnings

        settings = place.settings
        thresholds = place.store("scores", "thresholds").load()
        injected = place.store("injections")
        scored = place.store("scores", "injections")
        counts = completeness.count(injected.load(), scored.load(), thresholds, settings.completeness)
        hosts = place.table("hosts.parquet")
        shifts = completeness.brackets(counts, hosts, place.table("realism/sensitivity.parquet"), settings.completeness)
        cube = completeness.budget(completeness.posteriors(counts, settings.completeness), shifts)
        sky = place.sky()
        occupancy = completeness.occupancy(sky, hosts, settings.injections.grid).assign_attrs(sky.attrs)
        cube = cube.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
        attrs = (
            place.attrs(title=settings.about, detector_hash=place.detector.hash, prior=settings.injections.prior)
            | place.not_scientific
        )
        meant = settings.completeness.population
        attrs |= {
            "population": meant if meant in cube["population"].values else completeness.SURVEY,
            **recovery_of(place),
        }
        if few := thresholds.attrs.get("few_events"):
            attrs["few_events"] = few
        digest = stores.write(
            place.path("completeness.zarr"), schema.COMPLETENESS, cube, {**occupancy.attrs, **cube.attrs, **attrs}
        )
        digest = stores.add_digests([digest, sky_map(place, cube.assign_attrs(attrs))])
        wanted = [axis for axis in settings.completeness.host_axes if axis in injected]
        for axis in wanted:
            by = completeness.by_host(injected.load(), scored.load(), thresholds, settings.completeness, axis)
            if by is None:
                say(f"no host has a {axis}: no cube of it")
                continue
            by = by.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
            by_attrs = {**cube.attrs, **attrs, "about": f"as completeness.zarr, with {axis} as an axis"}
            digest = stores.add_digests(
                [digest, stores.write(place.path(f"completeness_by_{axis}.zarr"), schema.COMPLETENESS, by, by_attrs)]
            )
        extra = {
            "completeness_merged": merged(counts, settings.completeness, occupancy),
            "completeness_by_axes": by_axes(place),
        }
        for name, part in extra.items():
            if part is not None:
                digest = stores.add_digests([digest, written(place, name, part, {**cube.attrs, **attrs})])
        exposures = by_exposures(place, cube.attrs | attrs)
        if exposures is not None:
            path = place.path("completeness_by_exposures.parquet")
            digest = stores.add_digests([digest, int(stores.write_table(path, exposures), 16)])
        gates = (
            *completeness.gates(completeness.of_population(cube.assign_attrs(population=attrs["population"]))),
            completeness.occupancy_gate(occupancy, settings.completeness),
            binnings.gate(exposures),
        )
        return Outcome(digest, int(counts["n_injected"].sum()), gates=gates)


def by_exposures(place: Place, attrs: Mapping[str, object]) -> pd.DataFrame | None:
    """Completeness by exposures for several binnings, of the population that is meant; None where no host has any."""
    from lenscal.completeness import binnings
    from lenscal.completeness.counts import LOG_DENSITIES

    hosts = place.table("hosts.parquet")
    seen = place.manifest.set_index("galaxy_id").reindex(hosts["galaxy_id"]).get("nobs_z")
    if seen is None or seen.isna().any():
        return None
    trials, found = trials_of(place)
    column, density = LOG_DENSITIES[str(attrs["population"])], f"density_{str(attrs['population']).replace('-', '_')}"
    hosts = hosts.assign(nobs_z=seen.to_numpy(np.int64))
    weight = None
    if column in trials and density in hosts:
        weight = "weight"
        with np.errstate(over="ignore", invalid="ignore"):
            trials = trials.assign(weight=np.exp(trials[column] - trials["log_density_host"]))
        hosts = hosts.assign(weight=hosts[density])
    return binnings.by_exposures(trials, hosts, next(iter(found.values())), weight)


def trials_of(place: Place) -> tuple[pd.DataFrame, dict[float, str]]:
    """Every trial with its outcomes, and the column of each threshold, in the order of the thresholds."""
    from lenscal.selection import found_missed
    from lenscal.selection.found_table import found_column

    thresholds = place.store("scores", "thresholds").load()
    trials, _ = found_missed(place.store("injections").load(), place.store("scores", "injections").load(), thresholds)
    rates = thresholds["rate_requested" if "rate_requested" in thresholds else "false_positive_rate"].values
    return trials, {float(at): found_column(float(rate)) for at, rate in zip(thresholds["threshold"].values, rates)}


def written(place: Place, name: str, part: xr.Dataset, attrs: Mapping[str, object]) -> int:
    """Write a further cube; its digest."""
    declared = (
        schema.by_axes(place.settings.completeness.axes) if name == "completeness_by_axes" else schema.COMPLETENESS
    )
    return stores.write(place.path(f"{name}.zarr"), declared, part, {**part.attrs, **attrs})


def merged(counts: xr.Dataset, settings: config.Completeness, occupancy: xr.Dataset) -> xr.Dataset | None:
    """The cube with thin cells put together; None where the run file asks for none."""
    from lenscal import completeness

    if not settings.merge_below:
        return None
    return completeness.merged(counts, settings).assign(area=occupancy["area"], host_pool=occupancy["host_pool"])


def by_axes(place: Place) -> xr.Dataset | None:
    """The cube along other axes; None where the run file asks for none."""
    from lenscal import completeness
    from lenscal.completeness.counts import LOG_DENSITIES

    settings = place.settings.completeness
    if not settings.axes:
        return None
    trials, found = trials_of(place)
    weight = {}
    for name, column in LOG_DENSITIES.items():
        if column in trials and "log_density_host" in trials:
            weight[name] = f"weight {name}"
            with np.errstate(over="ignore", invalid="ignore"):
                trials[weight[name]] = np.exp(trials[column] - trials["log_density_host"])
    edges = place.settings.injections.grid.theta_e.edges
    return completeness.by_axes(trials, found, weight, edges, settings.axes, settings)


def sky_map(place: Place, cube: xr.Dataset) -> int:
    """Write completeness over the footprint; its digest, 0 of stamps."""
    from lenscal import completeness
    from lenscal.run.sky import pieces

    nside = place.settings.completeness.map_nside
    conditions = pieces(place, cube, nside)
    if conditions is None:
        return 0
    found = completeness.sky_map(cube, conditions, nside)
    return stores.write(place.path("completeness_map.zarr"), schema.SKY_MAP, found, place.attrs())


def recovery_of(place: Place) -> dict[str, str]:
    """What the cube carries wherever it goes: whether injections are recovered as real lenses are,
    as a verdict and in words.
    """
    from lenscal.realism import recovery

    criteria = place.table("realism/criteria.parquet")
    said = criteria.loc[criteria["id"].isin([recovery.NAME, recovery.SCORES]), "verdict"].tolist()
    verdict = next(word for word in ("NO-GO", "not judged", "GO") if word in said)
    return {
        "recovery_verdict": verdict,
        "recovery": recovery.sentence(place.table("realism/recovery.parquet"), verdict),
    }
