"""Sets of stamps that are no survey: declared in `profiles.yaml`, read as the cutouts of a survey are."""

from lenscal.io.survey.stamps.files import Stamp
from lenscal.io.survey.stamps.profiles import Profile, StampError, load_profiles
from lenscal.io.survey.stamps.psfs import Measure
from lenscal.io.survey.stamps.survey import StampSurvey

__all__ = ["Measure", "Profile", "Stamp", "StampError", "StampSurvey", "load_profiles"]
