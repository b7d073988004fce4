"""Settings: a run file read, checked and described."""

from lenscal.config.cluster import Cluster
from lenscal.config.completeness import Completeness
from lenscal.config.cutouts import Cutouts
from lenscal.config.detector import Detector, Training
from lenscal.config.ec2 import Ec2
from lenscal.config.failures import Failures
from lenscal.config.grid import Axis, Grid
from lenscal.config.injections import Injections
from lenscal.config.loading import ConfigError, load, real_data
from lenscal.config.manifest import Manifest
from lenscal.config.objects import ContaminantCatalogue, GalaxyTable, LensCatalogue, Objects
from lenscal.config.page import page
from lenscal.config.quality import Quality
from lenscal.config.realism import Realism
from lenscal.config.report import Report
from lenscal.config.scores import Scores
from lenscal.config.section import Section
from lenscal.config.settings import BUCKET, Settings
from lenscal.config.sky import LensPopulation, Sky
from lenscal.config.survey import Service, Survey

__all__ = [
    "BUCKET",
    "Axis",
    "Cluster",
    "Completeness",
    "ConfigError",
    "ContaminantCatalogue",
    "Cutouts",
    "Detector",
    "Ec2",
    "Failures",
    "GalaxyTable",
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
