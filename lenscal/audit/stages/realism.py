"""Realism: injections held against real lenses."""

from __future__ import annotations

from pathlib import Path

from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, save_tables, source_stamps
from lenscal.audit.stages.unchanged import Unchanged
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say
from lenscal.io import stores

OTHER_THRESHOLDS = ("reads.judgement",)
"""What may differ between two addresses whose pixels are compared alike: the judgement is read for thresholds alone."""
SCORES = "sensitivity_scores"
"""Name of the table of the scores behind `sensitivity`."""


class Realism(Audited):
    name = "realism"
    format = 3  # the scores behind sensitivity are kept
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

        before = Unchanged.of(run, self.name, OTHER_THRESHOLDS)
        if before is not None:
            return _again(run, before, say)
        settings, seed = run.settings.realism, run.settings.seed
        injections = run.store("injections")
        trials = realism.trials(injections.drop_vars("image", errors="ignore").load())
        real, ledger = realism.anchors(comparison.galaxies(run), settings, seed)
        say(f"{len(real)} real lenses")
        table, samples = comparison.samples(run, real, trials)
        changes, scored, inner = comparison.sensitivity(run, trials, say)
        criteria, tables = realism.judge(*samples, changes, settings, seed)
        found, shares = comparison.recovery(run, table, settings.splits)
        criteria = [*realism.recovery.judged(found, shares, settings), *criteria]
        tables |= {"criteria": realism.criteria.table(criteria), "recovery": found}
        matched = table[table["sample"] == "injected"]
        tables |= {
            "measures": table,
            "sensitivity": changes,
            SCORES: scored,
            "inner": inner,
            "panel": panels.panel(run, real, matched),
        }
        digest = save_tables(run.path("realism"), tables)
        gates = (ledger.gate("realism.anchors"), *realism.gates(criteria))
        return Outcome(stores.add_digests([digest]), len(table), ledger, gates)


def _again(run: Run, before: Unchanged, say: Say) -> Outcome:
    """Realism at other thresholds: what reaches them, and the criteria of that. No image is rendered or scored."""
    from lenscal import realism
    from lenscal.audit import comparison

    settings = run.settings.realism
    measures, told = (before.table("realism", name) for name in ("measures", "sensitivity"))
    changes = realism.sensitivity.again(before.table("realism", SCORES), told, comparison.first_threshold(run))
    found, shares = comparison.recovery(run, measures, settings.splits)
    new = {
        one.id: one
        for one in [*realism.recovery.judged(found, shares, settings), *realism.sensitive(changes, settings)]
    }
    criteria = [new.get(one.id, one) for one in realism.criteria.of_gates(before.gates())]
    tables = {"criteria": realism.criteria.table(criteria), "recovery": found, "sensitivity": changes}
    say(f"only the thresholds differ: {', '.join(tables)} are made again, the other tables are kept")
    digests = [save_tables(run.path("realism"), tables), before.take("realism", tables)]
    ledger = before.ledger("realism")
    gates = (ledger.gate("realism.anchors"), *realism.gates(criteria))
    return Outcome(stores.add_digests(digests), len(measures), ledger, gates)
