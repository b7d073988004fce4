"""The page of run files, written from the settings."""

from __future__ import annotations

import re

from lenscal.config.cluster import Cluster
from lenscal.config.completeness import Completeness
from lenscal.config.cutouts import Cutouts
from lenscal.config.detector import Detector, Training
from lenscal.config.ec2 import Ec2
from lenscal.config.failures import Failures
from lenscal.config.grid import Axis, Grid
from lenscal.config.injections import Injections
from lenscal.config.manifest import Manifest
from lenscal.config.objects import ContaminantCatalogue, GalaxyTable, LensCatalogue, Objects
from lenscal.config.quality import Quality
from lenscal.config.realism import Realism
from lenscal.config.report import Report
from lenscal.config.scores import Scores
from lenscal.config.section import Section
from lenscal.config.settings import Settings
from lenscal.config.sky import LensPopulation, Sky
from lenscal.config.survey import Service, Survey

MODELS = (
    Settings,
    Sky,
    LensPopulation,
    Survey,
    Service,
    Objects,
    LensCatalogue,
    ContaminantCatalogue,
    GalaxyTable,
    Manifest,
    Cutouts,
    Quality,
    Injections,
    Grid,
    Axis,
    Detector,
    Training,
    Scores,
    Completeness,
    Failures,
    Realism,
    Report,
    Cluster,
    Ec2,
)
"""Sections in the order of the page."""


def page() -> str:
    """The page of run files, in Markdown."""
    lines = [
        "# Run files",
        "",
        "A run file is YAML; unknown keys are refused. Written from `lenscal/config/` (`python -m "
        "lenscal.config`); do not edit by hand.",
        "",
    ]
    for model in MODELS:
        heading = "The whole" if model is Settings else f"`{model.__name__}`"
        lines += [
            f"## {heading}",
            "",
            " ".join((model.__doc__ or "").strip().split("\n\n")[0].split()),
            "",
            "| key | type | default | meaning |",
            "| --- | --- | --- | --- |",
        ]
        for name, field in model.model_fields.items():
            default = (
                "required"
                if field.is_required()
                else f"`{field.default!r}`"
                if not isinstance(field.default, Section)
                else "see its section"
            )
            kind = (
                getattr(field.annotation, "__name__", str(field.annotation))
                if "[" not in str(field.annotation)
                else str(field.annotation)
            )
            kind = re.sub(r"lenscal\.config\.\w+\.", "", kind).replace("typing.", "").replace("|", "or")
            lines.append(
                f"| `{name}` | {kind} | {default.replace('|', 'or')} | {' '.join((field.description or '').split())} |"
            )
        lines.append("")
    return "\n".join(lines)
