"""Settings: a run file read, checked and described."""

from lenscal.config.audit import Completeness, Detector, Failures, Realism, Report, Scores, Training
from lenscal.config.catalogues import ContaminantCatalogue, LensCatalogue, Manifest, Objects
from lenscal.config.loading import ConfigError, load, real_data
from lenscal.config.page import page
from lenscal.config.pixels import Cutouts, Quality
from lenscal.config.section import Section
from lenscal.config.settings import BUCKET, Cluster, Settings
from lenscal.config.survey import LensPopulation, Service, Sky, Survey
from lenscal.config.trials import Axis, Grid, Injections

__all__ = [
    "BUCKET",
    "Axis",
    "Cluster",
    "Completeness",
    "ConfigError",
    "ContaminantCatalogue",
    "Cutouts",
    "Detector",
    "Failures",
    "Grid",
    "Injections",
    "LensCatalogue",
    "LensPopulation",
    "Manifest",
    "Objects",
    "Quality",
    "Realism",
    "Report",
    "Scores",
    "Section",
    "Service",
    "Settings",
    "Sky",
    "Survey",
    "Training",
    "load",
    "page",
    "real_data",
]
