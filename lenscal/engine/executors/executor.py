"""What an executor is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lenscal.engine.events import Events


@dataclass(frozen=True)
class Job:
    """Calls of one function, one a block."""

    stage: str
    work: Callable[..., Any]
    arguments: Sequence[tuple]
    names: Sequence[str]
    """Of the blocks, as messages have them."""
    done: Callable[[int, Any], None]
    """Told in the process of the run, with the number of a call and what it gave, as results come in, in any order."""
    owner: str = ""
    """Of the calls: two jobs of one owner write the same files."""
    tell: Events = field(default_factory=Events)


class Executor(Protocol):
    """Does jobs; a context manager, so that what it starts ends with the run. Nothing is
    started before the first job.
    """

    memory: dict[str, float]
    """Peak memory in GB of the processes that worked, by what they are, once the context has ended."""

    def __enter__(self) -> Executor: ...

    def __exit__(self, *error: object) -> None: ...

    def do(self, job: Job) -> None:
        """Every call of a job.

        Raises
        ------
        BlockError
            At the first block that fails; it is named.
        """

    def rest(self) -> None:
        """No job is left: what was started for them ends now, and not only with the run."""
