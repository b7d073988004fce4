"""Completeness: counts, posterior, occupancy."""

from __future__ import annotations

from lenscal import schema
from lenscal.io import stores
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome
from lenscal.run.stages.stage import Say, Stage, brought, fingerprints


class Completeness(Stage):
    name = "completeness"
    reads = ("injections", "detector", "scores")
    sections = ("about", "completeness", "injections.grid", "injections.prior", "detector.scientific", "detector.frozen")
    parallel = False

    def inputs(self, place: Place) -> dict:
        survey = place.settings.survey
        found: dict = {"brought": brought(place)}
        if survey.randoms:
            return found | {"randoms": fingerprints(survey.randoms, "correct survey.randoms"), "density": survey.randoms_density}
        return found | {"tables": fingerprints(place.survey.tables()) if survey.layout == "dr10" else []}

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness

        settings = place.settings
        thresholds = place.store("scores", "thresholds").load()
        injected = place.store("injections")
        scored = place.store("scores", "injections")
        counts = completeness.count(injected.load(), scored.load(), thresholds, settings.completeness)
        cube = completeness.posterior(counts, settings.completeness)
        sky = place.sky()
        occupancy = completeness.occupancy(sky, place.table("hosts.parquet"), settings.injections.grid).assign_attrs(sky.attrs)
        cube = cube.assign(area=occupancy["area"], host_pool=occupancy["host_pool"])
        attrs = place.attrs(title=settings.about, detector_hash=place.detector.hash, prior=settings.injections.prior) | place.not_scientific
        digest = stores.write(place.path("completeness.zarr"), schema.COMPLETENESS, cube, {**occupancy.attrs, **cube.attrs, **attrs})
        gates = (*completeness.gates(cube), completeness.occupancy_gate(occupancy, settings.completeness))
        return Outcome(digest, int(counts["n_injected"].sum()), gates=gates)
