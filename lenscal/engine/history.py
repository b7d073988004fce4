"""What a run replaced: finished results are set aside, not removed, and are there again when they are wanted again.

    <run>/.earlier/<when>/settings.json        of the run that made them
    <run>/.earlier/<when>/<stage>/plan/...     its plan, markers and summary
    <run>/.earlier/<when>/<stage>/<product>    as they were, by renaming

Nothing is copied. On a bucket, which cannot rename, results are replaced as they always were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lenscal.engine import markers
from lenscal.engine.addresses import differences
from lenscal.engine.contents import contents_below, sizes_below, versions_below
from lenscal.engine.markers import Progress
from lenscal.io import folders, stores

FOLDER, PLAN, SETTINGS = ".earlier", "plan", "settings.json"


@dataclass(frozen=True)
class Kept:
    """The finished result of one stage, set aside.

    Attributes
    ----------
    folder : Path
        Holds its plan and its products.
    """

    folder: Path

    @property
    def stage(self) -> str:
        return self.folder.name

    @property
    def when(self) -> str:
        """When it was set aside (UTC)."""
        return self.folder.parent.name

    @cached_property
    def plan(self) -> dict[str, Any]:
        return markers.read_json(self.folder / PLAN / "plan.json") or {}

    @cached_property
    def done(self) -> dict[str, Any]:
        return markers.sealed(markers.read_json(self.folder / PLAN / "done.json")) or {}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the run that made it."""
        return markers.read_json(self.folder.parent / SETTINGS) or {}

    @property
    def products(self) -> list[Path]:
        return [path for path in sorted(self.folder.iterdir()) if path.name != PLAN]

    @cached_property
    def whole(self) -> bool:
        """Whether all is there as it was finished."""
        return bool(self.done) and _as_finished(self.done, self.products)

    @cached_property
    def size(self) -> int:
        """Bytes."""
        return _size([self.folder])

    def path(self, name: str) -> Path:
        """Of a product."""
        return self.folder / name


def _as_finished(done: Mapping[str, Any], products: Sequence[Path]) -> bool:
    """Whether products are those of a summary: by the versions of their files or, in a copy, where times are others,
    by content. Of products of blocks, which are held against their digests once they are brought back, names and sizes
    say it.
    """
    if done["versions"] == versions_below(products):
        return True
    if done.get("contents"):
        return done["contents"] == contents_below(products)
    return "sizes" in done and done["sizes"] == sizes_below(products)


def _size(places: Sequence[Path]) -> int:
    """Bytes of files, and of all files of folders."""
    files = (file for place in places for file in (place.rglob("*") if place.is_dir() else [place]))
    return sum(file.stat().st_size for file in files if file.is_file())


def kept(run: Path, stage: str | None = None) -> list[Kept]:
    """What is set aside of a run, newest first; of one stage, or of all."""
    if folders.is_remote(run) or not (run / FOLDER).is_dir():
        return []
    found = [Kept(path) for path in (run / FOLDER).glob(f"*/{stage or '*'}") if path.is_dir()]
    return sorted(found, key=lambda one: (one.when, one.stage), reverse=True)


def similar(run: Path, stage: str, allowed: Sequence[str], digest: str | None = None) -> Kept | None:
    """The newest result of a stage whose address differs from the one of now in nothing but the names allowed; with a
    digest, the one that has it.
    """
    wanted = (markers.read(run, stage, "plan.json") or {}).get("wanted")
    for one in kept(run, stage) if wanted else ():
        if (
            (digest is None or one.done.get("digest") == digest)
            and differences(one.plan.get("wanted", {}), wanted) <= set(allowed)
            and one.whole
        ):
            return one
    return None


def had_before(run: Path, progress: Progress) -> Kept | None:
    """The result of a stage that is set aside and is the one wanted now."""
    for one in kept(run, progress.stage):
        if one.plan.get("address") == progress.address and one.done.get("reads", {}) == progress.reads and one.whole:
            return one
    return None


class History:
    """What is set aside of one run, from the moment at which it starts."""

    def __init__(self, run: Path, settings: str | None, keep: int) -> None:
        self.run, self.keep, self._when = run, 0 if folders.is_remote(run) else keep, ""
        here = run / markers.PLANS / SETTINGS
        self._last = markers.read_json(here) or {}
        if settings is not None and self._last != (now := json.loads(settings)):
            stores.write_json(here, now)

    def set_aside(self, progress: Progress, spare: Kept | None = None) -> bool:
        """Move the finished result of another address out of the way; whether there was one. What is to be spared is
        not removed for it.
        """
        plan, done = (markers.read_json(progress.folder / name) for name in ("plan.json", "done.json"))
        done, products = markers.sealed(done), [path for path in progress.products if path.exists()]
        if not (self.keep and plan and done and products and _as_finished(done, progress.products)):
            return False
        if (size := _size([*products, progress.folder])) > self.keep:
            return False  # nor is the disk asked to hold both
        self.tidy(size, spare)
        target = self._generation() / progress.stage
        with folders.saying(target, "written"):
            target.mkdir(parents=True, exist_ok=True)
            for product in products:
                os.replace(product, target / product.name)
            os.replace(progress.folder, target / PLAN)
        return True

    def bring_back(self, progress: Progress) -> Kept | None:
        """The result that is wanted now, where it was set aside: it is in its place again."""
        one = had_before(self.run, progress) if self.keep else None
        if one is not None:
            self._swap(progress, one)
        return one

    def _swap(self, progress: Progress, one: Kept) -> None:
        if not self.set_aside(progress, one):
            for path in (progress.folder, *progress.products):
                folders.remove(path)
        places = {product.name: product for product in progress.products}
        with folders.saying(progress.folder, "written"):
            progress.folder.mkdir(parents=True, exist_ok=True)
            # The plan first, by which what follows is lenscal's; the summary, which says that all is there, last.
            for name in ("plan.json", "prepared.json", "blocks"):
                if (one.folder / PLAN / name).exists():
                    os.replace(one.folder / PLAN / name, progress.folder / name)
            for product in one.products:
                os.replace(product, places[product.name])
            for left in sorted((one.folder / PLAN).iterdir(), key=lambda path: path.name == "done.json"):
                os.replace(left, progress.folder / left.name)
        self._drop(one)

    def tidy(self, more: int = 0, spare: Kept | None = None) -> None:
        """Remove what is not whole, and the oldest beyond the limit, so that some bytes more have room."""
        room = self.keep - more
        for one in kept(self.run):
            room -= one.size
            if (room < 0 or not one.whole) and one != spare:
                self._drop(one)

    def _drop(self, one: Kept) -> None:
        folders.remove(one.folder)
        if not any(path.is_dir() for path in one.folder.parent.iterdir()):
            folders.remove(one.folder.parent)

    def _generation(self) -> Path:
        """Folder of what this run sets aside."""
        if not self._when:
            self._when = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        folder = self.run / FOLDER / self._when
        if not (folder / SETTINGS).exists():
            folder.mkdir(parents=True, exist_ok=True)
            stores.write_json(folder / SETTINGS, self._last)
        return folder
