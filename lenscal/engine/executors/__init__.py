"""Who does the blocks: this process (the reference: every other one gives the same bytes), or workers of Dask."""

from lenscal.engine.executors.executor import Executor, Job
from lenscal.engine.executors.in_process import InProcess

__all__ = ["Executor", "InProcess", "Job"]
