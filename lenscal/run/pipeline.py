"""The pipeline of an audit, here and on a worker."""

from __future__ import annotations

from functools import partial

from lenscal import schema
from lenscal.config import Settings
from lenscal.engine import Pipeline, Plan
from lenscal.run.given import given, held
from lenscal.run.place import Place
from lenscal.run.stages import STAGES


def pipeline_of(settings: Settings) -> Pipeline:
    """All stages of a run file."""
    place = Place(settings)
    return Pipeline(
        STAGES,
        place.folder,
        place,
        partial(given, place),
        partial(held, place),
        schema.VERSION,
        (opened, settings.model_dump_json()),
    )


def opened(message: str) -> Pipeline:
    """On a worker: the pipeline of settings that travelled as JSON."""
    return pipeline_of(Settings.model_validate_json(message))


def plan_of(place: Place) -> Plan:
    """What is complete of a run, looked at now."""
    return Plan(pipeline_of(place.settings))
