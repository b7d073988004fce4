"""Realism: injections held against real lenses."""

from __future__ import annotations

from pathlib import Path

from lenscal.audit.products import Run
from lenscal.audit.stages.stage import save_tables, source_stamps
from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.io import stores


class Realism(Stage):
    name = "realism"
    format = 2  # intervals of paired changes are Newcombe's
    reads = ("manifest", "cutouts", "quality", "injections", "detector", "scores", "judgement")
    sections = ("realism", "injections", "cutouts.psf_beta", "scores.batch")
    parallel = False

    def inputs(self, run: Run) -> dict:
        from lenscal.injections import prior_sets

        settings = run.settings.realism
        more = run.settings.injections.more_priors
        known = prior_sets.prior_sets(more)
        if unknown := [name for name in settings.priors if name not in known]:
            raise stores.StoreError(
                f"realism.priors names '{unknown[0]}', which is no set of priors; there are {', '.join(known)}"
            )
        found: dict = {"priors": {name: known[name] for name in settings.priors}}
        hint = "correct realism.source_stamps, or leave it out: the bracket of sources is then not judged"
        return found | {
            "source_stamps": source_stamps([settings.source_stamps, run.settings.injections.source_stamps], hint)
        }

    def products(self, run: Run) -> list[Path]:
        return [run.path("realism")]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import realism
        from lenscal.audit import comparison, panels

        settings, seed = run.settings.realism, run.settings.seed
        injections = run.store("injections")
        trials = realism.trials(injections.drop_vars("image", errors="ignore").load())
        real, ledger = realism.anchors(comparison.galaxies(run), settings, seed)
        say(f"{len(real)} real lenses")
        table, samples = comparison.samples(run, real, trials)
        changes, inner = comparison.sensitivity(run, trials, say)
        criteria, tables = realism.judge(*samples, changes, settings, seed)
        found, shares = comparison.recovery(run, table, settings.splits)
        criteria = [*realism.recovery.judged(found, shares, settings), *criteria]
        tables |= {"criteria": realism.criteria.table(criteria), "recovery": found}
        matched = table[table["sample"] == "injected"]
        tables |= {
            "measures": table,
            "sensitivity": changes,
            "inner": inner,
            "panel": panels.panel(run, real, matched),
        }
        digest = save_tables(run.path("realism"), tables)
        gates = (ledger.gate("realism.anchors"), *realism.gates(criteria))
        return Outcome(stores.add_digests([digest]), len(table), ledger, gates)
