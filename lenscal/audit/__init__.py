"""The audit as a pipeline: its stages, what each is given of a run, and the run itself on the cluster
that the run file names.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from lenscal import engine
from lenscal.audit.pipeline import pipeline_of, plan_of
from lenscal.audit.products import Run
from lenscal.config import Settings
from lenscal.engine import Executor, Plan, PlanError, Result
from lenscal.engine.terminal import Terminal
from lenscal.io import folders

__all__ = ["Plan", "PlanError", "Result", "Run", "executor_of", "pipeline_of", "plan_of", "run"]


def run(
    settings: Settings,
    stages: Iterable[str] | None = None,
    display: Terminal | None = None,
    executor: Executor | None = None,
) -> Result:
    """Do the stages of a run file that are not complete.

    Parameters
    ----------
    settings : Settings
        From `lenscal.load_settings`.
    stages : names, optional
        Only these; what they read must be complete. All by default.
    display : Terminal, optional
        Where progress is shown; without one, only what is waited for is said.
    executor : Executor, optional
        Who does the blocks; by default the cluster that the run file names.

    Raises
    ------
    PlanError, StoreError, SchemaError, BlockError
        One sentence: what, where, what was expected, what to do. What is complete stays complete.
    """
    stages = None if stages is None else list(stages)
    pipeline = pipeline_of(settings)
    display = display or Terminal(stages or list(pipeline.stages), quiet=True)
    sky = (
        folders.reading(Path(settings.survey.root) / ".mock", f"the embedded sky in '{settings.survey.root}'")
        if settings.survey.mock
        else nullcontext()
    )
    with display, sky:
        return engine.run(pipeline, stages, executor or executor_of(settings), [display])


def executor_of(settings: Settings) -> Executor:
    """Workers of the cluster that a run file names."""
    from lenscal.clusters import cluster_of
    from lenscal.engine.executors.on_dask import OnDask

    cluster = settings.cluster
    return OnDask(cluster_of(cluster), cluster.block_timeout, cluster.workers_timeout, cluster.dashboard)
