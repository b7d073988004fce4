"""The engine: stages of blocks, done once, in order, by whoever is given; it knows no stage, no survey and
no setting of the audit.

A `Pipeline` has the stages and says what each may see of a run; `run` does what is not complete, on an executor
(`executors.in_process`, `executors.on_dask`), and tells listeners what happens (`events`).
"""

from lenscal.engine.blocks import Block, Outcome
from lenscal.engine.errors import PlanError
from lenscal.engine.events import Listener
from lenscal.engine.executors import Executor, InProcess
from lenscal.engine.pipeline import Pipeline
from lenscal.engine.plan import Plan
from lenscal.engine.results import StageResult
from lenscal.engine.running import Result, run
from lenscal.engine.stage import Files, Part, Stage

__all__ = [
    "Block",
    "Executor",
    "Files",
    "InProcess",
    "Listener",
    "Outcome",
    "Part",
    "Pipeline",
    "Plan",
    "PlanError",
    "Result",
    "Stage",
    "StageResult",
    "run",
]
