"""The surveys that a run file can name, by `survey.layout`: a new one is a class
(`lenscal.io.survey.Survey`) and a line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lenscal.config import Settings

if TYPE_CHECKING:
    from lenscal.io.survey import Survey


def survey_of(settings: Settings) -> Survey:
    """The reader of a run's pixels."""
    return LAYOUTS[settings.survey.layout](settings)


def _bricks(settings: Settings) -> Survey:
    from lenscal.io.survey import CoaddSurvey

    survey = settings.survey
    if survey.service is not None:
        from lenscal.io.survey import ServiceSurvey

        return ServiceSurvey(survey.service, survey.layer, survey.root, settings.seed, survey.mock)
    return CoaddSurvey(survey.root, survey.layer, survey.mock)


def _stamps(settings: Settings) -> Survey:
    from lenscal.io.survey.stamps import StampSurvey
    from lenscal.kernels import resampling, widths

    return StampSurvey(settings.survey.root, settings.survey.profiles, resampling.resample, widths)


LAYOUTS = {"dr10": _bricks, "stamps": _stamps}
