"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from lenscal import schema
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.stages.stage import brought, fingerprints


class Completeness(Stage):
    name = "completeness"
    format = 3  # completeness over the sky
    reads = ("injections", "detector", "scores", "realism")
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
        gates = (
            *completeness.gates(completeness.of_population(cube.assign_attrs(population=attrs["population"]))),
            completeness.occupancy_gate(occupancy, settings.completeness),
        )
        return Outcome(digest, int(counts["n_injected"].sum()), gates=gates)


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
