"""Experiments on a finished run: why true lenses and trials differ (`arms`), what the detector looks at
(`causal`), a cure (`fix`).
"""

from __future__ import annotations

from pathlib import Path

from lenscal.audit.closed_loop import settings_of_sky
from lenscal.audit.experiments.arms import arms
from lenscal.audit.experiments.causal import causal
from lenscal.audit.experiments.fix import fix
from lenscal.audit.experiments.writing import write
from lenscal.audit.products import Run, same_detector
from lenscal.config import Settings
from lenscal.engine import PlanError

__all__ = ["WHAT", "arms", "causal", "fix", "refuse", "skies", "write"]

WHAT = ("arms", "causal", "fix")
_TRUTH = {"arms", "fix"}  # they look at true lenses of another sky


def refuse(run: Run, what: set[str], seed: int) -> None:
    """Say why experiments cannot be made on this run.

    Raises
    ------
    PlanError
        One sentence: what was found, what was expected, what to do.
    """
    from lenscal.audit.pipeline import plan_of

    settings = run.settings
    if strange := sorted(what - set(WHAT)):
        raise PlanError(f"there is no experiment '{strange[0]}'; --what takes {', '.join(WHAT)}")
    plan = plan_of(run)
    for name in ("injections", "detector", "scores", "judgement", "completeness"):
        if plan.done(name) is None:
            raise PlanError(f"experiments read {name}, which is not complete: run `lenscal run` first")
    frozen = run.detector
    same_detector(run, "scores/injections", "scores/cutouts", "thresholds")
    if not what & _TRUTH:
        return
    if settings.sky is None or not settings.survey.mock:
        raise PlanError(
            "the experiments arms and fix need true lenses of an embedded sky: this run file has no section `sky`, or "
            "says survey.mock: false; ask for --what causal"
        )
    if seed == settings.seed:
        raise PlanError(
            f"the sky of seed {seed} is the run's own: its lenses chose the detector and its "
            "threshold; give --seed another number"
        )
    if getattr(frozen, "mock", False) and frozen.about.get("seed") == seed:
        raise PlanError(
            f"the detector was trained on the embedded sky of seed {seed}: its true lenses are no "
            "test; give --seed another number"
        )
    if "fix" in what and settings.detector.artifact:
        raise PlanError(
            "the detector was brought by the run file (detector.artifact): what trained it is not here, so it cannot "
            "be trained again; leave fix out of --what"
        )


def skies(settings: Settings, what: set[str], seed: int, lenses: int) -> dict[str, Settings]:
    """The skies that are looked at: the closed loop's own of that seed, and for `arms` the same without the arcs."""
    if not what & _TRUTH:
        return {}
    sky = settings_of_sky(settings, seed, lenses)
    out = {"arcs": sky}
    if "arms" in what:
        population = sky.sky.lens_population.model_copy(update={"arcs": False})
        survey = sky.survey.model_copy(update={"root": str(Path(sky.survey.root).with_name(f"sky-{seed}-bare"))})
        out["bare"] = sky.model_copy(
            update={"sky": sky.sky.model_copy(update={"lens_population": population}), "survey": survey}
        )
    return out
