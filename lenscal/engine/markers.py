"""What is complete: the plan of a stage and the markers of its blocks, on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lenscal.engine.addresses import differences, short
from lenscal.engine.blocks import Block, Outcome
from lenscal.engine.code import code
from lenscal.engine.errors import PlanError
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores

PLANS = ".plan"


def folder_of(run: Path, stage: str) -> Path:
    """Where plan and markers of a stage of the run in a folder are."""
    return run / PLANS / stage


def read(run: Path, stage: str, name: str) -> dict | None:
    """A file of a stage's plan, as `read_json`."""
    return read_json(folder_of(run, stage) / name)


def read_json(path: Path) -> dict | None:
    """A file of a plan; None when it is not there or was cut short (a machine that lost power leaves such)."""
    with folders.saying(path, "read"):
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
    return found if isinstance(found, dict) else None


def refuse_strangers(folder: Path, stage: str, products: Iterable[Path]) -> None:
    """Refuse to take the place of what no run made; `folder` is that of the stage's plan.

    Raises
    ------
    PlanError
        A product is there, and no plan of its stage.
    """
    if (folder / "plan.json").exists():
        return
    for product in products:
        if product.exists():
            raise PlanError(f"{stage}: '{product}' is there but no run of lenscal made it; move it away and run again")


class Progress:
    """The plan and the markers of one stage on disk.

    A block is complete when its marker is there and its files are those that the marker saw; the marker is written
    after the data, by an atomic rename. Markers count only under the address (settings, inputs, versions) they were
    made for.
    """

    def __init__(
        self, run: Path, stage: str, wanted: Mapping[str, Any], reads: Mapping[str, str] | None = None
    ) -> None:
        self._run, self.stage = run, stage
        self.reads = dict(
            reads or {}
        )  # digests of what is read block by block: they decide what is done, not what is kept
        self.folder: Path = folder_of(run, stage)
        self.products: list[Path] = []
        self.wanted, self.code = dict(wanted), code()
        self.address = short(self.wanted)

    def _read(self, name: str) -> dict | None:
        return read(self._run, self.stage, name)

    @property
    def done(self) -> dict | None:
        """Summary of the finished stage under this address; None when it is not finished, or the
        summary is not as it was written.
        """
        done = sealed(self._read("done.json"))
        return done if done and done.get("address") == self.address and done.get("reads", {}) == self.reads else None

    @property
    def started(self) -> bool:
        plan = self._read("plan.json")
        return bool(plan) and plan.get("address") == self.address and plan.get("code") == self.code

    @property
    def changes(self) -> list[str]:
        """What differs from the plan on disk, by name."""
        plan = self._read("plan.json")
        if plan is None or "wanted" not in plan:
            return []
        old, new = plan["wanted"], json.loads(json.dumps(self.wanted, default=str))
        if "format" not in old:
            return [
                f"an older lenscal ({old.get('lenscal', 'of an unknown release')}), whose addresses did not hold "
                "all that a product depends on"
            ]
        return sorted(differences(old, new)) or ["lenscal's own code"]

    def start(self) -> None:
        """Forget what was made under another address and note the new plan; products go when the stage is prepared."""
        refuse_strangers(self.folder, self.stage, self.products)
        self.forget()
        wanted = json.loads(json.dumps(self.wanted, default=str))
        stores.write_json(self.folder / "plan.json", {"address": self.address, "code": self.code, "wanted": wanted})

    def forget(self) -> None:
        """Nothing of the stage is complete or prepared any more. What vouches for other files goes first, so a
        kill in between is safe.
        """
        for name in ("done.json", "prepared.json", "blocks"):
            folders.remove(self.folder / name)

    def reopen(self) -> None:
        """The stage is not finished after all; its blocks are looked at one by one."""
        folders.remove(self.folder / "done.json")

    @property
    def prepared(self) -> bool:
        """What the blocks fill was created, and is still as it was created."""
        prepared = self._read("prepared.json")
        if prepared is None or "files" not in prepared:
            return False
        files = prepared["files"]
        return all(
            _made(product, files.get(product.name, {})) == files.get(product.name, {}) for product in self.products
        )

    def prepare(self) -> None:
        """Note what was created: every file of the products, by content."""
        files = {product.name: _made(product, folders.inventory(product)) for product in self.products}
        stores.write_json(self.folder / "prepared.json", {"files": files})

    def outcome(self, block: Block) -> Outcome | None:
        """Of a block that has a marker."""
        marker = self._read(f"blocks/{block.name}.json")
        if marker is None:
            return None
        ledger = Ledger(**marker["ledger"]) if marker["ledger"] else None
        gates = tuple(Gate(**gate) for gate in marker["gates"])
        return Outcome(
            int(marker["digest"], 16),
            marker["rows"],
            ledger,
            gates,
            marker.get("files", ""),
            marker.get("summary"),
            marker.get("written"),
            marker.get("sources", {}),
        )

    def mark(self, block: Block, outcome: Outcome) -> None:
        """Write the marker of a finished block."""
        stores.write_json(
            self.folder / "blocks" / f"{block.name}.json",
            {
                "digest": f"{outcome.digest:032x}",
                "rows": outcome.rows,
                "ledger": asdict(outcome.ledger) if outcome.ledger else None,
                "gates": [asdict(gate) for gate in outcome.gates],
                "files": outcome.files,
                "summary": outcome.summary,
                "written": outcome.written,
                "sources": dict(outcome.sources),
            },
        )

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary of the finished stage."""
        done = {"address": self.address, "reads": self.reads, **summary}
        stores.write_json(self.folder / "done.json", done | {"seal": _seal(done)})


def sealed(summary: dict | None) -> dict | None:
    """A summary without its seal; None for one that is not as it was written."""
    return summary if summary is not None and summary.pop("seal", None) == _seal(summary) else None


def _seal(summary: Mapping[str, Any]) -> str:
    """Hash of a summary: one that was edited by hand vouches for nothing."""
    return short(stores.plain(summary))


def _made(product: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash of the content of these files, without what the end of a stage adds to the metadata of a store."""
    found = folders.contents(product, names)
    for name in found:
        if name.rsplit("/", 1)[-1] == "zarr.json" and found[name] != "absent":
            with suppress(ValueError), folders.saying(product / name, "read"):
                found[name] = short({**json.loads((product / name).read_text()), "consolidated_metadata": None})
    return found


def block_digest(run: Path, stage: str, block: str) -> str:
    """Digest of a block of another stage of the run in a folder, as its marker has it; ``"absent"`` without one."""
    return (read(run, stage, f"blocks/{block}.json") or {}).get("digest", "absent")
