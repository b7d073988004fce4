"""The table of stages. The science is in the modules that each calls; a stage of blocks does each on a
worker, one of one piece here.
"""

from lenscal.audit.stages.completeness import Completeness
from lenscal.audit.stages.cutouts import Cutouts
from lenscal.audit.stages.detector import Detector
from lenscal.audit.stages.failures import Failures
from lenscal.audit.stages.injections import Injections
from lenscal.audit.stages.judgement import Judgement
from lenscal.audit.stages.manifest import Manifest
from lenscal.audit.stages.objects import Objects
from lenscal.audit.stages.quality import Quality
from lenscal.audit.stages.realism import Realism
from lenscal.audit.stages.report import Report
from lenscal.audit.stages.scores import Scores
from lenscal.engine import Stage

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
        Judgement(),
        Realism(),
        Completeness(),
        Failures(),
        Report(),
    )
}
"""Every stage, in the order of work."""
