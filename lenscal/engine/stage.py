"""What a stage is: what it reads and writes, its blocks, and how one is done. Its first argument, `run`, is what the
pipeline gives it to see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenscal import schema
from lenscal.engine.addresses import short
from lenscal.engine.blocks import Block, Outcome
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """A region of a store."""

    path: Path
    declaration: schema.Declaration
    region: Mapping[str, slice]
    group: str | None = None

    def files(self) -> str:
        """Hash of the versions of its files."""
        return short(folders.versions(self.path, stores.files(self.path, self.declaration, self.region, self.group)))

    def digest(self) -> int:
        """Of what is on disk, as `stores.write_block` gave it.

        Raises
        ------
        ValueError, OSError
            It cannot be read, or the checksum of a chunk is not that of its content.
        """
        dataset = stores.open(self.path, self.group).isel(self.region).load()
        return stores.digest(self.declaration.describe(dataset), self.declaration.block)

    def holds(self, outcome: Outcome) -> bool:
        """Whether what is on disk is what the outcome says; what cannot be read is not."""
        try:
            return self.digest() == outcome.digest
        except (ValueError, OSError, RuntimeError):
            return False


@dataclass(frozen=True)
class Files:
    """Files of a block that fills no store, by their place below the run's folder."""

    folder: Path
    names: tuple[str, ...]

    def files(self) -> str:
        """Hash of their versions."""
        return short(folders.versions(self.folder, self.names))

    def holds(self, outcome: Outcome) -> bool:
        """Whether their content is what the outcome says."""
        return folders.contents(self.folder, self.names) == dict(outcome.written or {})


class Stage:
    """One stage; the methods say what differs."""

    name: str
    reads: tuple[str, ...] = ()
    reads_by_block: tuple[str, ...] = ()
    """Of these: the blocks keep the version of what they read (`Outcome.sources`), so that only those whose
    sources changed are done again.
    """
    sections: tuple[str, ...] = ()
    """Settings that it is given, and that its address holds: whole sections, or parts such as
    ``"cutouts.block"``; any other is refused.
    """
    format = 1
    """One more whenever the same settings and inputs give another product: finished runs are then done again from this
    stage on. A release does not count.
    """
    parallel = True

    def inputs(self, run: Any) -> dict:
        """Fingerprints of what comes from outside."""
        return {}

    def check(self, run: Any) -> None:
        """Refuse, before any work, what the stage would need from outside and does not find."""

    def products(self, run: Any) -> list[Path]:
        """What the stage writes."""
        return [run.path(f"{self.name}.zarr")]

    def prepare(self, run: Any) -> None:
        """Create what the blocks fill."""

    def blocks(self, run: Any) -> list[Block]:
        """The plan."""
        return [Block("whole")]

    def part(self, run: Any, block: Block) -> Part | None:
        """What a block fills of a store; None for a stage that writes files of its own."""
        return None

    def left(self, run: Any, block: Block, outcome: Outcome) -> Part | Files | None:
        """What a block left on disk, where it says so."""
        part = self.part(run, block)
        return Files(run.folder, tuple(outcome.written)) if part is None and outcome.written else part

    def sources(self, run: Any, known: Mapping[str, str]) -> dict[str, str]:
        """Versions as they are now of what blocks read, by the names they gave it in `Outcome.sources`;
        `known` has those of then.
        """
        return {}

    def renewed(self, run: Any, block: Block, outcome: Outcome) -> Outcome | None:
        """The outcome of a block whose sources have other versions now, where what it wrote holds all the same; None
        when it is to be done again.
        """
        return None

    def only_times(self, then: Mapping[str, str], now: Mapping[str, str]) -> bool:
        """Whether sources of which every block was renewed differ in nothing that the end of the stage speaks of."""
        return True

    def work(self, run: Any, block: Block, say: Say = lambda text: None) -> Outcome:
        """One block."""
        raise NotImplementedError

    def tell(self, ledger: Ledger) -> str:
        """A remark on the blocks that are done so far, while others go on."""
        return ""

    def finish(self, run: Any, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        """What can be said only of the whole: gates, ledgers, and a further digest (0 when there is none)."""
        return [], {}, 0

    def rows(self, run: Any, outcomes: Sequence[Outcome]) -> int:
        """Rows of the product."""
        return sum(outcome.rows for outcome in outcomes)
