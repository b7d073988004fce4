"""Failures: tables of what was missed and what fooled."""

from __future__ import annotations

from pathlib import Path

from lenscal.audit.products import Run
from lenscal.audit.stages.stage import Audited, save_tables
from lenscal.engine import Block, Outcome
from lenscal.engine.stage import Say


class Failures(Audited):
    name = "failures"
    reads = ("scores", "judgement", "injections", "completeness")
    sections = ("failures",)
    parallel = False

    def products(self, run: Run) -> list[Path]:
        return [run.path("failures")]

    def work(self, run: Run, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness, failures

        cube = completeness.of_population(run.store("completeness").load())
        conditions = {
            name: completeness.edges_of(cube, dim) for name, dim in (("psfsize_r", "psf_fwhm"), ("psfdepth_r", "depth"))
        }
        thresholds = run.store("thresholds").load()
        scored = run.store("scores", "cutouts").load()
        injected, scores = run.store("injections").load(), run.store("scores", "injections").load()
        tables = {
            "false_positives": failures.false_positives(scored, thresholds, conditions),
            "missed": failures.missed(injected, scores, thresholds),
            "missed_lenses": failures.missed_lenses(scored, thresholds),
            "collapsed": failures.collapsed(cube),
            "gallery": failures.gallery(scored, injected, scores, run.settings.failures.gallery),
        }
        digest = save_tables(run.path("failures"), tables)
        return Outcome(
            digest,
            sum(map(len, tables.values())),
            gates=tuple(failures.gates(scored, thresholds, tables["false_positives"])),
        )
