"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

from pathlib import Path

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import brought, fingerprints
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.io import stores


class Completeness(Stage):
    name = "completeness"
    format = 2  # intervals of cells whose hosts are unequal, few or differ
    reads = ("injections", "detector", "scores", "judgement", "realism")
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
            *(run.path(f"completeness_by_{axis}.zarr") for axis in run.settings.completeness.host_axes),
        ]

    def inputs(self, run: Run) -> dict:
        survey = run.settings.survey
        found: dict = {"brought": brought(run)}
        if survey.randoms:
            return found | {
                "randoms": fingerprints(survey.randoms, "correct survey.randoms"),
                "density": survey.randoms_density,
            }
        return found | {"tables": fingerprints(run.survey.tables())}

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness

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
            run.attrs(title=settings.about, detector_hash=run.detector.hash, prior=settings.injections.prior)
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
        gates = (
            *completeness.gates(completeness.of_population(cube.assign_attrs(population=attrs["population"]))),
            completeness.occupancy_gate(occupancy, settings.completeness),
        )
        return Outcome(digest, int(counts["n_injected"].sum()), gates=gates)


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
