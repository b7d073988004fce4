"""What the stages share: what is asked before each, fingerprints of what comes from outside, how tables are written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from lenscal.audit import foreseen
from lenscal.audit.products import Run
from lenscal.engine import Block, Stage
from lenscal.engine.addresses import short
from lenscal.io import stores


class Audited(Stage):
    """A stage of an audit: what `lenscal preflight` asks before it is asked by a run as well."""

    def check(self, run: Run) -> None:
        """See `Stage.check`."""
        foreseen.hold(run, self.name)


def fingerprint(path: str | Path, hint: str = "check the run file") -> str:
    """Of a file: its name and content, wherever it lies; at an address, its name and version."""
    from lenscal.io import remote, sweeps

    name = sweeps.name_of(path)
    if remote.is_remote(path):
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


def sweeps_fingerprint(run: Run) -> str:
    """Of the names of a survey's sweeps: of each, the blocks of `objects` keep what it held."""
    from lenscal.io import sweeps

    foreseen.root(run.settings.survey)
    try:
        survey = run.settings.survey
        files = sweeps.sweep_files(survey.root, survey.sweeps, survey.region)
        return short([sweeps.label_of(path, survey.region) for path in files])
    except sweeps.SweepError as error:
        return str(error)


def pixel_inputs(run: Run) -> dict[str, object]:
    """What the pixels of a survey depend on, as fingerprints."""
    found = run.survey.pixel_inputs(fingerprint)
    return {name: short(value) if isinstance(value, dict) else value for name, value in found.items()}


def brought(run: Run) -> bool:
    """Whether the run file brings its detector, which its products say."""
    return run.settings.detector.artifact is not None


def source_stamps(paths: Iterable[str | None], hint: str) -> list[list[str]]:
    """Of each file of galaxy stamps (None: of none), its content and that of the catalogue beside it."""
    from lenscal.io.cosmos import files_of

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
