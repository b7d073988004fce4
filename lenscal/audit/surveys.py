"""The surveys that a run file can name, by `survey.layout`: a new one is a class
(`lenscal.io.survey.Survey`) and a line here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from lenscal import schema
from lenscal.config import Settings
from lenscal.schema import releases

if TYPE_CHECKING:
    from lenscal.io.survey import Survey


def survey_of(settings: Settings) -> Survey:
    """The reader of a run's pixels."""
    return LAYOUTS[settings.survey.layout](settings)


def _bricks(settings: Settings) -> Survey:
    survey, stated = settings.survey, settings.survey.stated
    one = partial(_of_region, settings)
    if stated is None or not stated.parts:
        return one(stated, survey.layer)
    from lenscal.io.survey import BothCoadds, BothRegions

    return (BothCoadds if survey.service is None else BothRegions)(stated, one, survey.layer)


def _of_region(settings: Settings, release: schema.Release | None, layer: str) -> Survey:
    """The pixels of one region: from a service, or of coadds at an address or in a folder."""
    from lenscal.io.survey import CoaddSurvey

    survey = settings.survey
    if survey.service is not None:
        from lenscal.io.survey import ServiceSurvey

        return ServiceSurvey(survey.service, layer, survey.root, settings.seed, survey.mock, release, survey.bands)
    if "://" in survey.root:
        from lenscal.io.survey import FetchedCoadds

        return FetchedCoadds(survey.root, layer, survey.mock, release, survey.bands)
    return CoaddSurvey(survey.root, layer, survey.mock, release, survey.bands)


def _stamps(settings: Settings) -> Survey:
    from lenscal.io.survey.stamps import StampSurvey
    from lenscal.io.survey.stamps.profiles import DECLARED
    from lenscal.kernels import resampling, widths

    survey = settings.survey
    declared = survey.profiles_file or DECLARED
    return StampSurvey(survey.root, survey.profiles, resampling.resample, widths, declared, survey.sets, survey.bands)


LAYOUTS = {"stamps": _stamps, **{name: _bricks for name, _ in releases()}}
