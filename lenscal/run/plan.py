"""What is to be done: blocks of work, what each stage depends on, and what is already complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import lenscal
from lenscal.gates import Gate, Ledger
from lenscal.io import folders, stores
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
    """What a block left behind: its digest, counts, its rows in and out, a hash of the versions of its files, and what else is known of it.

    `written` has the files of a block that fills no store: place below the run's folder -> hash of the content. `sources` has the
    version of each outside source that it read.
    """

    digest: int
    rows: int = 0
    ledger: Ledger | None = None
    gates: tuple[Gate, ...] = ()
    files: str = ""
    summary: Mapping[str, Any] | None = None
    written: Mapping[str, str] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def short(content: object) -> str:
    """Hash of a canonical JSON text, 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


_PACKAGE = Path(lenscal.__file__).parent


def _sources_now() -> str:
    """Hash of lenscal's own sources as they are on disk; empty while some of them are being replaced."""
    try:
        return _sources_of(tuple(sorted((name, version) for name, version in folders.inventory(_PACKAGE).items() if name.endswith((".py", ".yaml")))))
    except OSError:
        return ""


@lru_cache(maxsize=2)
def _sources_of(files: tuple[tuple[str, str], ...]) -> str:
    """Of the content of these files; they are read again only where one has another version."""
    total = hashlib.blake2b(digest_size=16)
    for name, _ in files:
        total.update(f"{name}\0".encode() + (_PACKAGE / name).read_bytes() + b"\0")
    return total.hexdigest()


_LOADED = _sources_now()  # when this process began: modules that are loaded later must be of the same sources


def code() -> str:
    """Hash of the sources of lenscal that this process works with: blocks of one stage are made by one code, or all again. A finished stage stays as it is."""
    return _LOADED


def same_code(wanted: str) -> None:
    """Hold the sources that this process works with against those of the plan, and against those on disk.

    Raises
    ------
    PlanError
        They differ: a worker was started before an update, or lenscal was updated while the run was at work.
    """
    if code() != wanted:
        raise PlanError("this worker was started with other sources of lenscal than the run; start the workers anew and run again to go on")
    if _sources_now() != _LOADED:
        raise PlanError("lenscal's own sources were changed while the run was at work; run again: a stage that the old ones began is made again by the new ones")


def read(place: Place, stage: str, name: str) -> dict | None:
    """A file of a stage's plan; None when it is not there or was cut short (a machine that lost power leaves such)."""
    path = place.plans / stage / name
    with folders.saying(path, "read"):
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
    return found if isinstance(found, dict) else None


class Progress:
    """The plan and the markers of one stage on disk.

    A block is complete when its marker is there and its files are those that the marker saw; the marker is written after the
    data, by an atomic rename. Markers count only under the address (settings, inputs, versions) they were made for.
    """

    def __init__(self, place: Place, stage: str, wanted: Mapping[str, Any], reads: Mapping[str, str] | None = None) -> None:
        self._place, self.stage = place, stage
        self.reads = dict(reads or {})  # digests of what is read block by block: they decide what is done, not what is kept
        self.folder: Path = place.plans / stage
        self.products: list[Path] = []
        self.wanted, self.code = dict(wanted), code()
        self.address = short(self.wanted)

    def _read(self, name: str) -> dict | None:
        return read(self._place, self.stage, name)

    @property
    def done(self) -> dict | None:
        """Summary of the finished stage under this address; None when it is not finished, or the summary is not as it was written."""
        done = self._read("done.json")
        if done is None or done.pop("seal", None) != _seal(done):
            return None
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
            return [f"an older lenscal ({old.get('lenscal', 'of an unknown release')}), whose addresses did not hold all that a product depends on"]
        return sorted(_differences(old, new)) or ["lenscal's own code"]

    def start(self) -> None:
        """Forget what was made under another address and note the new plan; products go when the stage is prepared."""
        if not (self.folder / "plan.json").exists():
            for product in self.products:
                if product.exists():
                    raise PlanError(f"{self.stage}: '{product}' is there but no run of lenscal made it; move it away and run again")
        self.forget()
        wanted = json.loads(json.dumps(self.wanted, default=str))
        stores.write_json(self.folder / "plan.json", {"address": self.address, "code": self.code, "wanted": wanted})

    def forget(self) -> None:
        """Nothing of the stage is complete or prepared any more. What vouches for other files goes first, so a kill in between is safe."""
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
        return all(_made(product, files.get(product.name, {})) == files.get(product.name, {}) for product in self.products)

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
        return Outcome(int(marker["digest"], 16), marker["rows"], ledger, gates, marker.get("files", ""), marker.get("summary"), marker.get("written"), marker.get("sources", {}))

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


def block_digest(place: Place, stage: str, block: str) -> str:
    """Digest of a block of another stage, as its marker has it; ``"absent"`` without one."""
    return (read(place, stage, f"blocks/{block}.json") or {}).get("digest", "absent")


def _differences(old: Mapping, new: Mapping, prefix: str = "") -> set[str]:
    names = set()
    for key in set(old) | set(new):
        name = f"{prefix}{key}"
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
            names |= _differences(old[key], new[key], f"{name}.")
        elif old.get(key) != new.get(key):
            names.add(name)
    return names
