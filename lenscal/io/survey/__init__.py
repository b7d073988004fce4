"""Pixels of the Legacy Surveys coadds: one brick's files, a survey of bricks, and the public cutout service."""

from lenscal.io.survey.bricks import BrickFiles, PixelError
from lenscal.io.survey.coadds import CoaddSurvey
from lenscal.io.survey.geometry import SurveyError
from lenscal.io.survey.protocol import Survey
from lenscal.io.survey.service import ServiceSurvey

__all__ = ["BrickFiles", "CoaddSurvey", "PixelError", "ServiceSurvey", "Survey", "SurveyError"]
