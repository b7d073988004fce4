"""What the engine is given: stages in the order of work, and what each may see of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenscal.engine.errors import PlanError
from lenscal.engine.stage import Stage


@dataclass(frozen=True)
class Pipeline:
    """Stages of one run.

    Raises
    ------
    PlanError
        A stage reads one that is not there, that comes after it, or itself; or two stages write one product.
    """

    stages: Mapping[str, Stage]
    """In the order of work, by name."""
    folder: Path
    """Where the run keeps its products, plans and markers."""
    whole: Any
    """The run, as a plan sees it (`Stage.inputs`, `Stage.products`)."""
    given: Callable[[str], Any]
    """The run as a stage sees it at work, by the name of the stage."""
    held: Callable[[str], Mapping[str, Any]]
    """Settings in the address of a stage."""
    version: object = 1
    """Of what the products of all stages are declared by: another one is another address of each."""
    message: tuple[Callable[[str], Pipeline], str] | None = None
    """A function of a module and a text by which another process opens the same pipeline; None where blocks are
    done in this process alone.
    """
    keep: int = 0
    """Bytes of replaced results that are kept, the newest first."""

    def __post_init__(self) -> None:
        before: set[str] = set()
        writers: dict[Path, str] = {}
        for name, stage in self.stages.items():
            if stage.name != name:
                raise PlanError(
                    f"the stage '{stage.name}' stands under the name '{name}'; a pipeline has "
                    "each stage under its own name"
                )
            for read in stage.reads:
                if read not in self.stages:
                    raise PlanError(
                        f"stage '{name}' reads '{read}', which is no stage of this pipeline ({', '.join(self.stages)})"
                    )
                if read not in before:
                    raise PlanError(
                        f"stage '{name}' reads '{read}', which comes after it{_circle(self.stages, name)}; a stage "
                        "reads what was made before it"
                    )
            before.add(name)
            for product in stage.products(self.whole):
                if (other := writers.setdefault(product, name)) != name:
                    raise PlanError(
                        f"the stages '{other}' and '{name}' both write '{product}'; each product "
                        "has one stage that writes it"
                    )


def _circle(stages: Mapping[str, Stage], name: str) -> str:
    """Names of a circle of reads through a stage, as the end of a sentence; empty without one."""

    def walk(path: list[str]) -> list[str]:
        for read in stages[path[-1]].reads if path[-1] in stages else ():
            if read == name:
                return [*path, name]
            if read not in path and (found := walk([*path, read])):
                return found
        return []

    found = walk([name])
    return f" (a circle: {' reads '.join(found)})" if found else ""
