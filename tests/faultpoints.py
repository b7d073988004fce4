"""Every write, rename, removal and read of a small run, counted, and each made to fail in turn.

    python tests/faultpoints.py [--stages objects,manifest,cutouts,quality] [--every 1] [--log faultpoints.log]

Faults of the n-th of them: an error (EIO), a disk that is full from there on (ENOSPC, in libraries as well), a file cut short (the kernel
refuses to let it grow, EFBIG), or the end of the process at that moment. The run must end with an error of lenscal's own that names
what failed, or with the digests of a run that was left alone; gone on with, it must have every byte of that run. Stages are
taken one by one, each from a copy of the stores as the one before left them. lenscal asks for no fsync: what a machine that
loses power has not yet put on its disk is found by its content (`tests/chaos.py`).

Exit code 1 when any of them is silent, unnamed or leaves other bytes behind.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
STAGES = ("objects", "manifest", "cutouts", "quality")
MODES = {"write": ("error", "full", "short", "kill"), "rename": ("error", "kill"), "remove": ("error", "kill"), "make": ("error", "kill"), "read": ("error",)}
_EVENTS = {"os.rename": "rename", "os.remove": "remove", "os.rmdir": "remove", "os.mkdir": "make", "os.link": "rename"}
_SHORT = 7  # bytes that a file which is cut short may have
KILLED = 137


@dataclass
class Points:
    """What a process does to the files below some folders, counted by an audit hook; one of them fails when it is asked for."""

    folders: tuple[str, ...] = ()
    seen: list[tuple[str, str]] = field(default_factory=list)
    fault: tuple[int, str] | None = None
    on: bool = False
    full: bool = False
    hooked: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hook(self, event: str, arguments: tuple) -> None:
        if not self.on or (event != "open" and event not in _EVENTS):
            return
        path = arguments[0]
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        if not isinstance(path, (str, Path)) or not str(path).startswith(self.folders) or str(path).endswith("/.plan/lock"):
            return
        kind = _EVENTS.get(event) or ("write" if arguments[2] & (os.O_WRONLY | os.O_RDWR) else "read")
        self.happens(kind, str(path))

    def happens(self, kind: str, path: str) -> None:
        with self.lock:
            n = len(self.seen)
            self.seen.append((kind, path))
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit[0] == _SHORT and not self.full:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit[1], limit[1]))
        if self.full and kind in ("write", "make"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if self.fault is None or n != self.fault[0]:
            return
        mode = self.fault[1]
        if mode == "kill":
            os._exit(KILLED)
        if mode == "error":
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        self.full = mode == "full"
        resource.setrlimit(resource.RLIMIT_FSIZE, (_SHORT, limit[1]))
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    @contextmanager
    def counting(self, fault: tuple[int, str] | None = None):
        """Count from here on, and let one fail."""
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        self.seen, self.fault, self.full, self.on = [], fault, False, True
        try:
            yield
        finally:
            self.on = False
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)


POINTS = Points()


def own_errors() -> tuple[type[BaseException], ...]:
    """What a command turns into one sentence, without the errors of Python itself."""
    from lenscal.engine.errors import BlockError
    from lenscal.io.stores import StoreError
    from lenscal.io.survey import PixelError
    from lenscal.io.survey.geometry import SurveyError
    from lenscal.io.sweeps import SweepError
    from lenscal.io.tables.lenses import CatalogueError
    from lenscal.run import PlanError

    return StoreError, PlanError, BlockError, CatalogueError, SweepError, PixelError, SurveyError


class Trial:
    """One stage of a small run: what comes before it, what it leaves, and what comes of a fault."""

    def __init__(self, folder: Path, settings: object, stage: str) -> None:
        from lenscal.run import run

        self.settings, self.stage, self._run = settings, stage, run
        self.before, self.stores = folder / "before" / stage, settings.stores
        shutil.rmtree(self.before, ignore_errors=True)
        if self.stores.exists():
            shutil.copytree(self.stores, self.before)
        else:
            self.before.mkdir(parents=True)
        POINTS.folders = (str(self.stores), str(settings.survey.root))
        with POINTS.counting():
            run(settings, [stage])
        self.points = list(POINTS.seen)
        self.calm = self.contents()
        self.errors = own_errors()

    def contents(self) -> dict[str, str]:
        """Of every product and of the digest of the stage."""
        from lenscal.io import folders

        found = {name: content for name, content in folders.contents(self.stores, folders.inventory(self.stores)).items() if not name.startswith((".plan/", "gates.json"))}
        done = json.loads((self.stores / ".plan" / self.stage / "done.json").read_text())
        return found | {"digest": done["digest"], "gates": json.dumps(done["gates"]), "gates.json": (self.stores / "gates.json").read_text()}

    def faults(self) -> list[tuple[int, str]]:
        """All of them."""
        return [(n, mode) for n, (kind, _) in enumerate(self.points) for mode in MODES[kind]]

    def turns(self) -> list[tuple[int, str]]:
        """One at each point."""
        seen = Counter()
        found = []
        for n, (kind, _) in enumerate(self.points):
            found.append((n, MODES[kind][seen[kind] % len(MODES[kind])]))
            seen[kind] += 1
        return found

    def told(self, fault: tuple[int, str]) -> str:
        kind, path = self.points[fault[0]]
        return f"{self.stage}: {fault[1]} at {kind} {fault[0]} ({Path(path).name})"

    def wrong(self, fault: tuple[int, str]) -> str:
        """What is wrong with what comes of a fault; empty when it is named and nothing of it is left."""
        shutil.rmtree(self.stores, ignore_errors=True)
        shutil.copytree(self.before, self.stores)
        said = self._killed(fault) if fault[1] == "kill" else self._failed(fault)
        if said:
            return said
        try:
            self._run(self.settings, [self.stage])
        except Exception as error:
            return f"cannot be gone on with: {type(error).__name__}: {error}"
        now = self.contents()
        differ = sorted(name for name in {*now, *self.calm} if now.get(name) != self.calm.get(name))
        return f"other bytes afterwards: {', '.join(differ[:5])}" if differ else ""

    def _failed(self, fault: tuple[int, str]) -> str:
        try:
            with POINTS.counting(fault):
                self._run(self.settings, [self.stage])
        except self.errors as error:
            return "" if "'" in str(error) or self.stage in str(error) else f"an error that names nothing: {error}"
        except Exception as error:
            return f"an error of Python's own: {type(error).__name__}: {error}"
        now = self.contents()
        return "" if now["digest"] == self.calm["digest"] else "silent: another digest"

    def _killed(self, fault: tuple[int, str]) -> str:
        child = os.fork()
        if not child:
            try:
                with POINTS.counting(fault):
                    self._run(self.settings, [self.stage])
                os._exit(0)
            except BaseException:
                os._exit(1)
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return "" if os.waitstatus_to_exitcode(status) in (0, KILLED) else f"ended with {os.waitstatus_to_exitcode(status)} before it could be killed"
            time.sleep(0.01)
        os.kill(child, 9)
        os.waitpid(child, 0)
        return "hangs after a fork"


def prepared(folder: Path, stages: tuple[str, ...] = STAGES):
    """Trials of each stage of a small run below a folder, on a sky of its own."""
    import dask
    import pytest
    from chaos import Chaos, draw_sky
    from conftest import in_process

    from lenscal import config

    draw_sky(folder, bricks=8, lenses=4, galaxies_per_brick=8, brick_pixels=300, overlapping_pairs=1)
    few = {"negatives_per_positive": 1, "required_classes": [], "types_min": 1}
    settings = config.load(Chaos(folder, seed=1).runfile("faults", cutouts={"block": 16}, quality={"block": 16, "failed_fraction_max": 1.0}, manifest=few))
    if not POINTS.hooked:
        sys.addaudithook(POINTS.hook)
        POINTS.hooked = True
    with dask.config.set(scheduler="synchronous"), pytest.MonkeyPatch.context() as patched:
        in_process(patched)
        for stage in [stage for stage in STAGES if any(STAGES.index(stage) <= STAGES.index(last) for last in stages)]:
            trial = Trial(folder, settings, stage)
            if stage in stages:
                yield trial
                shutil.rmtree(settings.stores)
                shutil.copytree(trial.before, settings.stores)
                trial._run(settings, [stage])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--every", type=int, default=1, help="only every so many-th of the faults")
    parser.add_argument("--turns", action="store_true", help="one fault at each point, the kinds in turn, instead of all kinds")
    parser.add_argument("--log", type=Path)
    arguments = parser.parse_args()
    folder, bad = Path(tempfile.mkdtemp(prefix="faultpoints-")), 0

    def say(text: str) -> None:
        print(text, flush=True)
        if arguments.log:
            with arguments.log.open("a") as file:
                file.write(text + "\n")

    try:
        for trial in prepared(folder, tuple(arguments.stages.split(","))):
            kinds = Counter(kind for kind, _ in trial.points)
            faults = (trial.turns() if arguments.turns else trial.faults())[:: arguments.every]
            say(f"{trial.stage}: {len(trial.points)} points ({', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}), {len(faults)} faults")
            began, wrong = time.monotonic(), 0
            for fault in faults:
                if said := trial.wrong(fault):
                    wrong += 1
                    say(f"  {trial.told(fault)}: {said}")
            say(f"{trial.stage}: {len(faults) - wrong} of {len(faults)} faults named or without a trace, in {time.monotonic() - began:.0f} s")
            bad += wrong
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return bad > 0


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
