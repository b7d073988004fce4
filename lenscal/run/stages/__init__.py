"""The table of stages. The science is in the modules that each calls; a stage of blocks does each on a
worker, one of one piece here.
"""

from lenscal.engine import Stage
from lenscal.run.stages.completeness import Completeness
from lenscal.run.stages.cutouts import Cutouts
from lenscal.run.stages.detector import Detector
from lenscal.run.stages.failures import Failures
from lenscal.run.stages.injections import Injections
from lenscal.run.stages.manifest import Manifest
from lenscal.run.stages.objects import Objects
from lenscal.run.stages.quality import Quality
from lenscal.run.stages.realism import Realism
from lenscal.run.stages.report import Report
from lenscal.run.stages.scores import Scores

__all__ = ["STAGES"]

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Objects(),
        Manifest(),
        Cutouts(),
        Quality(),
        Injections(),
        Detector(),
        Scores(),
        Realism(),
        Completeness(),
        Failures(),
        Report(),
    )
}
"""Every stage, in the order of work."""
