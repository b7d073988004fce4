"""What a stage is: what it reads and writes, its blocks, and how one is opened, called and written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd

from lenscal import schema
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome, short

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
    """Of these: the blocks keep the version of what they read (`Outcome.sources`), so that only those whose sources changed are done again."""
    sections: tuple[str, ...] = ()
    """Settings that it is given, and that its address holds: whole sections, or parts such as ``"cutouts.block"``; any other is refused."""
    format = 1
    """One more whenever the same settings and inputs give another product: finished runs are then done again from this stage on. A release does not count."""
    parallel = True

    def inputs(self, place: Place) -> dict:
        """Fingerprints of what comes from outside."""
        return {}

    def products(self, place: Place) -> list[Path]:
        """What the stage writes."""
        return [place.path(f"{self.name}.zarr")]

    def prepare(self, place: Place) -> None:
        """Create what the blocks fill."""

    def blocks(self, place: Place) -> list[Block]:
        """The plan."""
        return [Block("whole")]

    def part(self, place: Place, block: Block) -> Part | None:
        """What a block fills of a store; None for a stage that writes files of its own."""
        return None

    def left(self, place: Place, block: Block, outcome: Outcome) -> Part | Files | None:
        """What a block left on disk, where it says so."""
        part = self.part(place, block)
        return Files(place.folder, tuple(outcome.written)) if part is None and outcome.written else part

    def sources(self, place: Place, known: Mapping[str, str]) -> dict[str, str]:
        """Versions as they are now of what blocks read, by the names they gave it in `Outcome.sources`; `known` has those of then."""
        return {}

    def renewed(self, place: Place, block: Block, outcome: Outcome) -> Outcome | None:
        """The outcome of a block whose sources have other versions now, where what it wrote holds all the same; None when it is to be done again."""
        return None

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        """One block."""
        raise NotImplementedError

    def tell(self, ledger: Ledger) -> str:
        """A remark on the blocks that are done so far, while others go on."""
        return ""

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        """What can be said only of the whole: gates, ledgers, and a further digest (0 when there is none)."""
        return [], {}, 0

    def rows(self, place: Place, outcomes: Sequence[Outcome]) -> int:
        """Rows of the product."""
        return sum(outcome.rows for outcome in outcomes)


def fingerprint(path: str | Path, hint: str = "check the run file") -> str:
    """Of a file: its name and content, wherever it lies; at an address, its name and version."""
    from lenscal.io import sweeps

    name = sweeps.name_of(path)
    if sweeps.is_remote(path):
        return f"{name} {sweeps.version(path)}"
    path = Path(path)
    if not path.is_file():
        raise stores.StoreError(f"input '{path}' is missing; {hint}")
    status = path.stat()
    return f"{name} {_hash(path, status.st_size, status.st_mtime_ns)}"


def fingerprints(paths: Iterable[str | Path], hint: str = "check the run file") -> list[str]:
    """Of some files, in their order: two may have one name."""
    return [fingerprint(path, hint) for path in paths]


@lru_cache(maxsize=16384)
def _hash(path: Path, size: int, changed: int) -> str:
    """Of a file's content, read once for as long as it stays as it is."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def sweeps_fingerprint(place: Place) -> str:
    """Of the names of a survey's sweeps: of each, the blocks of `objects` keep what it held."""
    from lenscal.io import sweeps

    survey = place.settings.survey
    if not sweeps.is_remote(survey.root) and not Path(survey.root).is_dir():
        hint = "draw the embedded sky with `lenscal mock RUNFILE`" if survey.mock else "check survey.root of the run file"
        raise stores.StoreError(f"input '{survey.root}' is missing; {hint}")
    try:
        return short([sweeps.name_of(path) for path in sweeps.sweep_files(survey.root)])
    except sweeps.SweepError as error:
        return str(error)


def stamps_fingerprint(place: Place) -> dict[str, object]:
    """Of sets of stamps: what declares them, and every file of theirs, by place and content."""
    from lenscal.io.stamps.profiles import DECLARED

    root = Path(place.settings.survey.root)
    if not root.is_dir():
        raise stores.StoreError(f"input '{root}' is missing; check survey.root of the run file")
    files = place.survey.files()
    return {"profiles": fingerprint(DECLARED), "stamps": short({path.relative_to(root).as_posix(): fingerprint(path) for path in files})}


def brought(place: Place) -> bool:
    """Whether the run file brings its detector, which its products say."""
    return place.settings.detector.frozen is not None


def source_stamps(paths: Iterable[str | None], hint: str) -> list[list[str]]:
    """Of each file of galaxy stamps (None: of none), its content and that of the catalogue beside it."""
    from lenscal.io.sources import files_of

    return [[] if path is None else fingerprints(files_of(path), hint) for path in paths]


def galaxy_blocks(rows: int, block: int) -> list[Block]:
    starts = range(0, rows, block)
    return [Block(f"{start:09d}", {"start": start, "stop": min(start + block, rows)}) for start in starts]


def save_tables(folder: Path, tables: Mapping[str, pd.DataFrame | None], aside: Sequence[str] = ()) -> int:
    """Write tables as Parquet; the sum of their digests, columns named in `aside` left out of them."""
    digests = []
    for name, table in tables.items():
        if table is not None:
            digest = stores.write_table(folder / f"{name}.parquet", table)
            digests.append(stores.digest_table(table.drop(columns=list(aside))) if aside else int(digest, 16))
    return stores.add_digests(digests)
