"""The plan of a run: what each stage depends on and what of it is complete, looked at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lenscal.engine.errors import PlanError
from lenscal.engine.markers import Progress, folder_of, refuse_strangers
from lenscal.engine.pipeline import Pipeline
from lenscal.gates import Gate
from lenscal.io import folders, stores


class Plan:
    """Addresses and progress of the stages of a pipeline; each is evaluated when it is asked for, and
    then kept until `forget`.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self._seen: dict[str, Progress] = {}
        self._done: dict[str, dict | None] = {}
        self._inputs: dict[str, dict] = {}

    def progress(self, name: str) -> Progress:
        """Plan and markers of a stage.

        Raises
        ------
        PlanError
            Something it reads is not complete.
        StoreError
            What it needs from outside is not there.
        """
        if name not in self._seen:
            pipeline, stage = self.pipeline, self.pipeline.stages[name]
            read = {}
            for source in stage.reads:
                done = self.done(source)
                if done is None:
                    raise PlanError(
                        f"{name} reads {source}, which is not complete: run `lenscal run --stages {source},{name}`"
                    )
                read[source] = done["address" if source in stage.reads_by_block else "digest"]
            wanted = {
                "format": stage.format,
                "schema": pipeline.version,
                "settings": pipeline.held(name),
                "reads": read,
                "inputs": self._outside(name),
            }
            progress = Progress(
                pipeline.folder, name, wanted, {source: self.done(source)["digest"] for source in stage.reads_by_block}
            )
            progress.products = stage.products(pipeline.whole)
            self._seen[name] = progress
        return self._seen[name]

    def _outside(self, name: str) -> dict:
        """Fingerprints of what a stage reads from outside."""
        if name not in self._inputs:
            self._inputs[name] = self.pipeline.stages[name].inputs(self.pipeline.whole)
        return self._inputs[name]

    def done(self, name: str) -> dict | None:
        """Summary of a stage that is complete; None of another."""
        if name not in self._done:
            self._done[name] = self.progress(name).done
        return self._done[name]

    def is_complete(self, name: str) -> bool:
        """Whether nothing of a stage is left to do, as far as its plan says."""
        try:
            return self.done(name) is not None
        except folders.DiskError:
            raise
        except (PlanError, stores.StoreError):
            return False

    def forget(self, name: str) -> None:
        """A stage changes: look again at it and at all that reads it."""
        for stage in [name, *self._after(name)]:
            self._seen.pop(stage, None)
            self._done.pop(stage, None)
            self._inputs.pop(stage, None)

    def _after(self, name: str) -> list[str]:
        found = {name}
        for stage in self.pipeline.stages.values():
            if found.intersection(stage.reads):
                found.add(stage.name)
        return [stage for stage in self.pipeline.stages if stage in found and stage != name]

    def names(self, wanted: Iterable[str] | None) -> list[str]:
        """Stages to be done, in the order of work.

        Raises
        ------
        PlanError
            There is no such stage.
        """
        stages = self.pipeline.stages
        names = list(stages) if wanted is None else list(wanted)
        if unknown := [name for name in names if name not in stages]:
            raise PlanError(f"no stage '{unknown[0]}'; stages are {', '.join(stages)}")
        return [name for name in stages if name in names]

    def check(self, names: list[str]) -> None:
        """Refuse stages that rest on something neither complete nor to be done before them, and those that
        lack something from outside.

        Raises
        ------
        PlanError, StoreError
            One sentence: what is missing and what to do.
        """
        for name in names:
            lacking = [one for one in self.behind(name) if one not in names and not self.is_complete(one)]
            if lacking:
                raise PlanError(
                    f"{name} reads {', '.join(lacking)}, not complete as this run file has it: "
                    f"run `lenscal run --stages {','.join([*lacking, name])}`, or all stages"
                )
        for name in names:
            if not self.is_complete(name):
                self.ask(name)
            self._outside(name)  # what is missing there is said before anything is done

    def ask(self, name: str) -> None:
        """Refuse what a stage would refuse and is known beforehand.

        Raises
        ------
        LenscalError
            One sentence: what was found, what was expected, what to do.
        """
        stage, whole = self.pipeline.stages[name], self.pipeline.whole
        refuse_strangers(folder_of(self.pipeline.folder, name), name, stage.products(whole))
        stage.check(whole)

    def behind(self, name: str) -> list[str]:
        """All stages that a stage rests on, in the order of work."""
        stages, behind = self.pipeline.stages, set()
        while fresh := {read for stage in (name, *behind) for read in stages[stage].reads} - behind:
            behind |= fresh
        return [stage for stage in stages if stage in behind]

    def gates(self) -> list[Gate]:
        """Gates of every stage that is complete, whatever run completed it."""
        found: list[Gate] = []
        for name in self.pipeline.stages:
            try:
                done = self.done(name)
            except folders.DiskError:
                raise
            except (PlanError, stores.StoreError):
                break
            found += [Gate(**gate) for gate in done["gates"]] if done else []
        return found

    def check_gates(self, name: str, gates: Iterable[Gate]) -> None:
        """Refuse gates of a stage whose id another gate has.

        Raises
        ------
        PlanError
            Two gates have one id.
        """
        others = {
            gate["id"]: other
            for other in self.pipeline.stages
            if other != name and self.is_complete(other)
            for gate in self.done(other)["gates"]
        }
        for gate, times in Counter(gate.id for gate in gates).items():
            if times > 1 or gate in others:
                raise PlanError(
                    f"stage '{name}' has a gate '{gate}', and so has stage '{others.get(gate, name)}': an id names "
                    "one gate; give one of them another"
                )
