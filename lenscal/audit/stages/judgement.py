"""Judgement: the thresholds that the scores set, and how good the scores are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import brought, fingerprints, save_tables, source_stamps
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.gates import Gate
from lenscal.io import stores


class Judgement(Stage):
    name = "judgement"
    reads = ("manifest", "cutouts", "quality", "injections", "detector", "scores")
    sections = (
        "scores",
        "injections",
        "cutouts.psf_beta",
        "completeness.false_positive_rates",
        "detector.scientific",
        "detector.artifact",
        "detector.prevalence",
    )
    parallel = False

    def products(self, run: Run) -> list[Path]:
        return [run.path("thresholds.zarr"), run.path("judgement")]

    def inputs(self, run: Run) -> dict:
        hint = "correct injections.source_stamps, or choose another injections.source"
        return {
            "tables": fingerprints(run.survey.tables()),  # bricks, whose edges may be a nuisance
            "source_stamps": source_stamps([run.settings.injections.source_stamps], hint),
            "brought": brought(run),
        }

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import scores

        scored = run.store("scores", "cutouts").load()
        thresholds = scores.thresholds(scored, run.settings.completeness.false_positive_rates)
        attrs = run.attrs(detector_hash=run.detector.hash) | run.not_scientific
        total = stores.write(run.path("thresholds.zarr"), schema.THRESHOLDS, thresholds, attrs)
        history = run.path("detector") / "history.parquet"
        hosts = np.unique(run.store("injections")["galaxy_id"].values)
        gates = scores.gates(
            scored, stores.read_table(history) if history.exists() else None, run.detector, hosts[hosts >= 0].tolist()
        )
        tables, more = self._judged(run, scored, thresholds, say)
        digest = save_tables(run.path("judgement"), tables)
        return Outcome(stores.add_digests([total, digest]), scored.sizes["galaxy"], gates=(*gates, *more))

    @staticmethod
    def _judged(
        run: Run, scored: xr.Dataset, thresholds: xr.Dataset, say: Say
    ) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
        """Tables and gates of the judgement."""
        from lenscal import scores
        from lenscal.audit import judgement

        settings, grid = run.settings, run.settings.injections.grid
        prevalence = settings.scores.prevalence or settings.detector.prevalence
        edges = {"seeing": grid.psf_fwhm.edges, "depth": grid.depth.edges}
        terms = scores.Terms(settings.scores, prevalence, edges, settings.seed)
        tables, gates = scores.judge(scored, thresholds, judgement.facts(run), terms)
        few = scores.few_events(thresholds)
        say("what core and annulus alone tell")
        tables["shortcuts"], of_parts = judgement.parts(run, scored)
        say("injections without their arc, in another host, on blank sky")
        first = float(thresholds["threshold"].values[0])
        tables["counterfactuals"], of_arcs = judgement.counterfactuals(run, first, few)
        told = {name: schema.JUDGEMENT[name] for name in tables}
        tables = {name: told[name].check_table(told[name].cast_table(table)) for name, table in tables.items()}
        return tables, [*gates, *of_parts, *of_arcs]
