"""The audit as a pipeline: its stages, what each is given of a run, and the run itself on the cluster
that the run file names.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from lenscal import engine
from lenscal.audit.pipeline import pipeline_of, plan_of
from lenscal.audit.products import Run
from lenscal.config import Settings
from lenscal.engine import Executor, Plan, PlanError, Result
from lenscal.engine.terminal import Terminal
from lenscal.io import locks

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
        locks.reading(Path(settings.survey.root) / ".mock", f"the embedded sky in '{settings.survey.root}'")
        if settings.survey.mock
        else nullcontext()
    )
    with display, sky:
        executor = executor or executor_of(settings)
        return engine.run(pipeline, stages, executor, [display, *getattr(executor, "listeners", [])])


def executor_of(settings: Settings) -> Executor:
    """Workers of the cluster that a run file names."""
    from lenscal.clusters import cluster_of
    from lenscal.engine.executors.on_dask import OnDask

    cluster = settings.cluster
    attempts = cluster.block_attempts or (3 if cluster.ec2 or cluster.address else 1)
    workers = cluster_of(cluster, settings.stores, settings.name)
    if cluster.ec2:
        from lenscal.audit import cluster_checks

        workers.before = partial(cluster_checks.refuse, settings)
    return OnDask(workers, cluster.block_timeout, cluster.workers_timeout, cluster.dashboard, attempts)
