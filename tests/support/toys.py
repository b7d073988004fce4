"""Toy stages: numbers in files, so that the engine is tried without a sky."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from lenscal.engine import Block, Outcome, Pipeline, Stage
from lenscal.gates import Gate, Ledger
from lenscal.io import stores


@dataclass(frozen=True)
class Run:
    """What toy stages see: a folder, settings, and a file of the outside."""

    folder: Path
    settings: tuple[tuple[str, float], ...] = ()
    outside: Path | None = None

    def path(self, name: str) -> Path:
        return self.folder / name


class Toy(Stage):
    """Writes the numbers of each block times a setting, plus what its sources hold, into a folder of its own."""

    blocks_of = 3

    def __init__(self, name: str, reads: tuple[str, ...] = (), **changes: object) -> None:
        self.name, self.reads = name, reads
        self.calls: list[str] = []
        self.looked = 0
        for key, value in changes.items():
            setattr(self, key, value)

    def inputs(self, run: Run) -> dict:
        self.looked += 1
        return {"outside": run.outside.read_text()} if run.outside else {}

    def products(self, run: Run) -> list[Path]:
        return [run.folder / self.name]

    def blocks(self, run: Run) -> list[Block]:
        return [Block(f"{i:03d}", {"i": i}) for i in range(self.blocks_of)]

    def work(self, run: Run, block: Block, say=lambda text: None) -> Outcome:
        self.calls.append(block.name)
        number = block.part["i"] * dict(run.settings).get("factor", 2.0) + sum(
            json.loads((run.folder / read / f"{block.name}.json").read_text()) for read in self.reads
        )
        return self.left_behind(run, block, number)

    def left_behind(self, run: Run, block: Block, number: float) -> Outcome:
        from lenscal.io import folders

        name = f"{self.name}/{block.name}.json"
        stores.write_json(run.folder / name, number)
        written = {name: folders.contents(run.folder, [name])[name]}
        return Outcome(int(written[name], 16), 1, Ledger(1, 1), written=written)

    def finish(self, run: Run, outcomes: list[Outcome]) -> tuple[list[Gate], dict, int]:
        return (
            [Gate(f"{self.name}.rows", "every block has a row", "rows", len(outcomes), minimum=self.blocks_of)],
            {},
            0,
        )


class Failing(Toy):
    """One block raises."""

    def work(self, run, block, say=lambda text: None):
        if block.name == "001" and not (run.folder / "mended").exists():
            raise stores.StoreError(f"block {block.name} has no disk")
        return super().work(run, block)


class Dying(Toy):
    """One block takes its process with it, but for the second time."""

    def work(self, run, block, say=lambda text: None):
        been = run.folder.parent / "been"
        if block.name == "001" and not been.exists():
            been.touch()
            os._exit(1)
        return super().work(run, block)


class Hanging(Toy):
    """One block does not end, but for the second time."""

    def work(self, run, block, say=lambda text: None):
        been = run.folder.parent / "been"
        if block.name == "001" and not been.exists():
            been.touch()
            time.sleep(600)
        return super().work(run, block)


class Stuck(Toy):
    """One block does not end, ever."""

    def work(self, run, block, say=lambda text: None):
        if block.name == "001":
            time.sleep(600)
        return super().work(run, block)


class Fickle(Toy):
    """Another number at each call."""

    def work(self, run, block, say=lambda text: None):
        self.calls.append(block.name)
        return self.left_behind(run, block, len(self.calls))


def pipeline(run: Run, *stages: Stage, message: object = None) -> Pipeline:
    """Of toys; they see all settings, and all settings are in each address."""
    return Pipeline(
        {stage.name: stage for stage in stages},
        run.folder,
        run,
        lambda name: run,
        lambda name: dict(run.settings),
        message=message,
    )


KINDS = {"Toy": Toy, "Dying": Dying, "Hanging": Hanging, "Failing": Failing, "Stuck": Stuck}


def opened(message: str) -> Pipeline:
    """On a worker: a pipeline of one stage, by its kind and folder."""
    kind, folder = json.loads(message)
    return pipeline(Run(Path(folder)), KINDS[kind]("a"), message=(opened, message))
