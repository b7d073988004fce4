"""The pipeline of an audit, here and on a worker."""

from __future__ import annotations

from functools import partial

from lenscal import schema
from lenscal.audit.given import given, held
from lenscal.audit.products import Run
from lenscal.audit.stages import STAGES
from lenscal.config import Settings
from lenscal.engine import Pipeline, Plan


def pipeline_of(settings: Settings) -> Pipeline:
    """All stages of a run file."""
    run = Run(settings)
    return Pipeline(
        STAGES,
        run.folder,
        run,
        partial(given, run),
        partial(held, run),
        schema.VERSION,
        (opened, settings.model_dump_json()),
        int(settings.keep_earlier_gb * 1e9),
    )


def opened(message: str) -> Pipeline:
    """On a worker: the pipeline of settings that travelled as JSON."""
    return pipeline_of(Settings.model_validate_json(message))


def plan_of(run: Run) -> Plan:
    """What is complete of a run, looked at now."""
    return Plan(pipeline_of(run.settings))
