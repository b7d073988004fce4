"""Failures: tables of what was missed and what fooled."""

from __future__ import annotations

from pathlib import Path

from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.run.place import Place
from lenscal.run.stages.stage import save_tables


class Failures(Stage):
    name = "failures"
    reads = ("scores", "injections", "completeness")
    sections = ("failures",)
    parallel = False

    def products(self, place: Place) -> list[Path]:
        return [place.path("failures")]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal import completeness, failures

        cube = completeness.of_population(place.store("completeness").load())
        conditions = {
            name: completeness.edges_of(cube, dim) for name, dim in (("psfsize_r", "psf_fwhm"), ("psfdepth_r", "depth"))
        }
        thresholds = place.store("scores", "thresholds").load()
        scored = place.store("scores", "cutouts").load()
        injected, scores = place.store("injections").load(), place.store("scores", "injections").load()
        tables = {
            "false_positives": failures.false_positives(scored, thresholds, conditions),
            "missed": failures.missed(injected, scores, thresholds),
            "missed_lenses": failures.missed_lenses(scored, thresholds),
            "collapsed": failures.collapsed(cube),
            "gallery": failures.gallery(scored, injected, scores, place.settings.failures.gallery),
        }
        digest = save_tables(place.path("failures"), tables)
        return Outcome(
            digest,
            sum(map(len, tables.values())),
            gates=tuple(failures.gates(scored, thresholds, tables["false_positives"])),
        )
