"""Blocks one after another in this process."""

from __future__ import annotations

from lenscal.engine.executors.executor import Executor, Job
from lenscal.engine.memory import peak_memory


class InProcess:
    """A loop: the reference executor. What a block raises is raised as it is."""

    def __init__(self) -> None:
        self.memory: dict[str, float] = {}

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *error: object) -> None:
        self.memory["driver"] = peak_memory()

    def do(self, job: Job) -> None:
        """See `Executor.do`."""
        for i, arguments in enumerate(job.arguments):
            with job.tell.watching(job.stage, job.names[i]):
                result = job.work(*arguments)
            job.done(i, result)

    def rest(self) -> None:
        """See `Executor.rest`: nothing was started."""
