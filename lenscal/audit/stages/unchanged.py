"""What an earlier result of a stage holds that the present one would make again, byte for byte."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lenscal.audit.products import Run
from lenscal.engine import history
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores


@dataclass(frozen=True)
class Unchanged:
    """An earlier result that differs from the one to be made in nothing but what was named.

    Attributes
    ----------
    earlier : history.Kept
    folder : Path
        Of the run.
    """

    earlier: history.Kept
    folder: Path

    @classmethod
    def of(cls, run: Run, stage: str, allowed: Sequence[str]) -> Unchanged | None:
        """The newest whole one of a stage whose address differs in no other names; None where there is none."""
        earlier = history.similar(run.folder, stage, allowed)
        return None if earlier is None else cls(earlier, run.folder)

    def table(self, folder: str, name: str) -> pd.DataFrame:
        """A table of it."""
        return stores.read_table(self.earlier.path(folder) / f"{name}.parquet")

    def take(self, folder: str, but: Collection[str]) -> int:
        """Copy its tables into the folder of the run, but for some; the sum of their digests."""
        digests = []
        for path in folders.matching(self.earlier.path(folder), "*.parquet"):
            if path.stem not in but:
                with folders.saying(path, "read"):
                    content = path.read_bytes()
                stores.write_bytes(self.folder / folder / path.name, content)
                digests.append(int(hashlib.blake2b(content, digest_size=16).hexdigest(), 16))
        return stores.add_digests(digests)

    def gates(self, new: Sequence[Gate] = ()) -> list[Gate]:
        """Its gates, those in whose place there are new ones (by id) replaced."""
        found = {gate.id: gate for gate in new}
        return [found.get(gate["id"]) or Gate(**gate) for gate in self.earlier.done["gates"]]

    def ledger(self, name: str) -> Ledger:
        """A ledger of it."""
        return Ledger(**self.earlier.done["ledgers"][name])
