"""Pixels of the Legacy Surveys coadds: one brick's files, and a survey of bricks."""

from lenscal.io.survey.bricks import BrickFiles, PixelError
from lenscal.io.survey.coadds import CoaddSurvey
from lenscal.io.survey.geometry import SurveyError

__all__ = ["BrickFiles", "CoaddSurvey", "PixelError", "SurveyError"]
