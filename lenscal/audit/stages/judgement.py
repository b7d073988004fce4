"""Judgement: the thresholds that the scores set, and how good the scores are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, brought, fingerprints, save_tables, source_stamps
from lenscal.audit.stages.unchanged import Unchanged
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say
from lenscal.gates import Gate
from lenscal.io import stores

if TYPE_CHECKING:
    from lenscal import scores
    from lenscal.scores.counterfactuals import Counterfactual

OTHER_THRESHOLDS = ("settings.completeness.false_positive_rates",)
"""What may differ between two addresses whose scores are judged alike, thresholds apart."""
PAIRS = "counterfactual_scores"
"""Name of the table of `schema.COUNTERFACTUAL_SCORES`."""


class Judgement(Audited):
    name = "judgement"
    format = 2  # the scores behind counterfactuals are kept
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
        attrs = run.attrs(detector_hash=run.detector_hash) | run.not_scientific
        total = stores.write(run.path("thresholds.zarr"), schema.THRESHOLDS, thresholds, attrs)
        before = Unchanged.of(run, self.name, OTHER_THRESHOLDS)
        tables, gates = (
            self._judged(run, scored, thresholds, say) if before is None else _again(run, scored, thresholds, before)
        )
        declared = {**schema.JUDGEMENT, PAIRS: schema.COUNTERFACTUAL_SCORES}
        tables = {name: declared[name].check_table(declared[name].cast_table(table)) for name, table in tables.items()}
        digests = [total, save_tables(run.path("judgement"), tables)]
        if before is not None:
            say(f"only the thresholds differ: {', '.join(tables)} are made again, the other tables are kept")
            digests.append(before.take("judgement", tables))
        return Outcome(stores.add_digests(digests), scored.sizes["galaxy"], gates=tuple(gates))

    @staticmethod
    def _judged(
        run: Run, scored: xr.Dataset, thresholds: xr.Dataset, say: Say
    ) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
        """Tables and gates of the judgement."""
        from lenscal import scores
        from lenscal.audit import judgement

        history = run.path("detector") / "history.parquet"
        hosts = np.unique(run.store("injections")["galaxy_id"].values)
        gates = scores.gates(
            scored, stores.read_table(history) if history.exists() else None, run.detector, hosts[hosts >= 0].tolist()
        )
        tables, of_scores = scores.judge(scored, thresholds, judgement.facts(run), _terms(run))
        say("what core and annulus alone tell")
        tables["shortcuts"], of_parts = judgement.parts(run, scored)
        say("injections without their arc, in another host, on blank sky")
        found, of_arcs = _counterfactuals(run, judgement.pairs(run), thresholds)
        return tables | found, [*gates, *of_scores, *of_parts, *of_arcs]


def _terms(run: Run) -> scores.Terms:
    from lenscal import scores

    settings, grid = run.settings, run.settings.injections.grid
    prevalence = settings.scores.prevalence or settings.detector.prevalence
    edges = {"seeing": grid.psf_fwhm.edges, "depth": grid.depth.edges}
    return scores.Terms(settings.scores, prevalence, edges, settings.seed)


def _counterfactuals(
    run: Run, pairs: list[Counterfactual], thresholds: xr.Dataset
) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
    """What pairs of scores say at the first threshold, and the pairs."""
    from lenscal import scores
    from lenscal.scores import counterfactuals

    found = counterfactuals.changes(pairs, float(thresholds["threshold"].values[0]))
    gates = counterfactuals.gates(found, run.settings.scores, scores.few_events(thresholds))
    return {"counterfactuals": found, PAIRS: counterfactuals.kept(pairs)}, gates


def _again(
    run: Run, scored: xr.Dataset, thresholds: xr.Dataset, before: Unchanged
) -> tuple[dict[str, pd.DataFrame], list[Gate]]:
    """The tables that depend on thresholds, of scores that were judged at others, and all gates."""
    from lenscal import scores
    from lenscal.audit import judgement
    from lenscal.scores import counterfactuals

    tables, gates = scores.at_thresholds(scored, thresholds, judgement.facts(run), _terms(run))
    why = before.table("judgement", "counterfactuals").set_index("name")["why_not"].to_dict()
    found, of_arcs = _counterfactuals(run, counterfactuals.again(before.table("judgement", PAIRS), why), thresholds)
    return tables | found, before.gates([*gates, *of_arcs])
