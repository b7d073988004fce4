"""What is to be done: blocks of work, what each stage depends on, and what is already complete."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lenscal
from lenscal import schema
from lenscal.gates import Gate, Ledger
from lenscal.io import stores
from lenscal.run.place import Place


class PlanError(RuntimeError):
    """A run that cannot start or go on as it stands."""


@dataclass(frozen=True)
class Block:
    """One unit of work; its name is its marker's."""

    name: str
    part: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a block left behind: its digest, counts, and its rows in and out."""

    digest: int
    rows: int = 0
    ledger: Ledger | None = None
    gates: tuple[Gate, ...] = ()


def short(content: object) -> str:
    """Hash of a canonical JSON text, 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


class Progress:
    """The plan and the markers of one stage on disk.

    A block is complete when its marker is there; the marker is written after the data, by an atomic rename. Markers count
    only under the address (settings, inputs, versions) they were made for.
    """

    def __init__(self, place: Place, stage: str, wanted: Mapping[str, Any]) -> None:
        self.stage = stage
        self.folder: Path = place.plans / stage
        self.products: list[Path] = []
        self.wanted = {"lenscal": lenscal.__version__, "schema": schema.VERSION, **wanted}
        self.address = short(self.wanted)

    def _read(self, name: str) -> dict | None:
        try:
            return json.loads((self.folder / name).read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise PlanError(f"{self.stage}: '{self.folder / name}' cannot be read ({error}); remove it and run again") from None

    @property
    def done(self) -> dict | None:
        """Summary of the finished stage under this address; None when it is not finished."""
        done = self._read("done.json")
        return done if done and done["address"] == self.address else None

    @property
    def started(self) -> bool:
        plan = self._read("plan.json")
        return bool(plan) and plan["address"] == self.address

    @property
    def changes(self) -> list[str]:
        """What differs from the plan on disk, by name."""
        plan = self._read("plan.json")
        if plan is None:
            return []
        old, new = plan["wanted"], json.loads(json.dumps(self.wanted, default=str))
        return sorted(_differences(old, new))

    def start(self) -> None:
        """Forget what was made under another address, products included, and note the new plan."""
        if self._read("plan.json") is None:
            for product in self.products:
                if product.exists():
                    raise PlanError(f"{self.stage}: '{product}' is there but no run of lenscal made it; move it away and run again")
        for product in self.products:
            remove(product)
        remove(self.folder)
        stores.write_json(self.folder / "plan.json", {"address": self.address, "wanted": json.loads(json.dumps(self.wanted, default=str))})

    def outcome(self, block: Block) -> Outcome | None:
        """Of a finished block."""
        marker = self._read(f"blocks/{block.name}.json")
        if marker is None:
            return None
        ledger = Ledger(**marker["ledger"]) if marker["ledger"] else None
        return Outcome(int(marker["digest"], 16), marker["rows"], ledger, tuple(Gate(**gate) for gate in marker["gates"]))

    def mark(self, block: Block, outcome: Outcome) -> None:
        """Write the marker of a finished block."""
        stores.write_json(
            self.folder / "blocks" / f"{block.name}.json",
            {
                "digest": f"{outcome.digest:032x}",
                "rows": outcome.rows,
                "ledger": asdict(outcome.ledger) if outcome.ledger else None,
                "gates": [asdict(gate) for gate in outcome.gates],
            },
        )

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary of the finished stage."""
        stores.write_json(self.folder / "done.json", {"address": self.address, **summary})


def _differences(old: Mapping, new: Mapping, prefix: str = "") -> set[str]:
    names = set()
    for key in set(old) | set(new):
        name = f"{prefix}{key}"
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            names |= _differences(old[key], new[key], f"{name}.")
        elif old.get(key) != new.get(key):
            names.add(name)
    return names


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()
