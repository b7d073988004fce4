"""Pixels of the Legacy Surveys coadds: one brick's files, a survey of bricks, and the public cutout service.

What reads FITS or asks the service is imported when it is first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenscal.io.survey.coadds import CoaddSurvey
from lenscal.io.survey.errors import PixelError, SurveyError
from lenscal.io.survey.protocol import Survey

if TYPE_CHECKING:
    from lenscal.io.survey.blobs import read_blobs
    from lenscal.io.survey.both import BothCoadds, BothRegions
    from lenscal.io.survey.bricks import BrickFiles
    from lenscal.io.survey.fetched import FetchedCoadds
    from lenscal.io.survey.service import ServiceSurvey

_LATER = {
    "BothCoadds": "both",
    "BothRegions": "both",
    "BrickFiles": "bricks",
    "FetchedCoadds": "fetched",
    "ServiceSurvey": "service",
    "read_blobs": "blobs",
}

__all__ = [
    "BothCoadds",
    "BothRegions",
    "BrickFiles",
    "CoaddSurvey",
    "FetchedCoadds",
    "PixelError",
    "ServiceSurvey",
    "Survey",
    "SurveyError",
    "read_blobs",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
