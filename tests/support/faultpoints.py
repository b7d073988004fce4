"""Every write, rename, removal, read and listing of a whole small run, counted, and each made to fail in turn.

    python tests/support/faultpoints.py [--stages objects,manifest,...] [--kinds write,read,...] [--every 1] [--log
    faultpoints.log] [--afresh]

Faults of the n-th of them: an error (EIO), a disk that is full from there on (ENOSPC, in libraries as well), a file cut
short (the kernel refuses to let it grow, EFBIG), a folder that may not be listed (EACCES), or the end of the process at
that moment. The run must end with an error of lenscal's own that names what failed, or with the digests of a run that
was left alone; gone on with, it must have every byte of that run, and no file of another stage may be touched. What a
machine that loses power has not yet put on its disk is found by its content (`tests/support/chaos.py`): lenscal asks
for no fsync, and the count says so.

All of them, in finite time: the run is done once, in one thread, and at each point the process is forked, once for each
fault. The fork fails there, on a copy of the files as they are at that moment. A process that is killed does nothing
any more, so the files of that moment are all that it leaves. A second fork, of the process as it was before the stage,
goes on with what was left; where exactly the same was left before (same files, same content, same order of files and
markers in time) it is not gone on with again. Of an unfinished file (`.tmp`, `.partial`), which is removed unread, only
the name counts; one that lies beside what is there is tried first, and what is there without it then counts as tried.
Figures that were drawn from the same numbers are not drawn again.

Goes on from its log: a fault that it has is not tried again, unless it went wrong. Exit code 1 when any of them is
silent, unnamed or leaves other bytes behind.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from places import TESTS as HERE
from points import MODES, Points, drawn_once, in_one_thread, named, unfinished

STAGES = (
    "objects",
    "manifest",
    "cutouts",
    "quality",
    "injections",
    "detector",
    "scores",
    "judgement",
    "realism",
    "completeness",
    "failures",
    "report",
)
SETTINGS = ".plan/settings.json"
PATIENCE = 300  # seconds after which a fork that does not end is called hung
POINTS = Points()
_CLOCK = ("files", "versions", "seconds", "seal")  # of plans and markers: they hold times

Fault = tuple[int, str]


class Unlike(BaseException):
    """Two runs that nothing failed differ; nothing of the run catches it."""


class Trial:
    """One stage of a small run: what comes before it, what it leaves, and what comes of a fault."""

    def __init__(self, folder: Path, settings: object, stage: str, places: tuple[str, ...] = ()) -> None:
        from lenscal.audit import Run, run
        from lenscal.audit.stages import STAGES as TABLE

        self.settings, self.stage, self._run = settings, stage, run
        self.stores = settings.stores
        self.places = (*places, str(self.stores), str(settings.survey.root))
        products = [path.relative_to(self.stores).as_posix() for path in TABLE[stage].products(Run(settings))]
        self.own = (*products, f".plan/{stage}", ".plan/lock", SETTINGS, "gates.json")
        self._aside, self._number = folder / "aside" / stage, 0
        POINTS.folders = (f"{self.stores}/", f"{settings.survey.root}/")
        there = {name: self.stores / name for name in ("gates.json", SETTINGS)}
        self._shared = {name: path.read_bytes() for name, path in there.items() if path.exists()}
        self._others = self._inventory_of_others() if self.stores.exists() else {}
        self.points: list[tuple[str, str]] = []
        _forget()
        with POINTS.told(lambda kind, path: self.points.append((kind, named(path)))):
            run(settings, [stage])
        self.calm = self.contents()
        self._after = self._set_aside(copied=False)
        self.as_before()
        _forget()
        self._known: dict[str, str] = {}
        self._waiting: dict[str, list[Fault]] = {}
        self._hashes: dict[tuple, str] = {}
        self._renamed_next, done = list(self._renames()), Counter()
        self._times = [done[point] for point in self.points if not done.update([point])]

    def end(self) -> None:
        """The stage is done, as if nothing had happened."""
        self._clear()
        self._bring_back(self._after)
        _forget()

    def contents(self) -> dict[str, str]:
        """Of every product and of the digest of the stage."""
        from lenscal.io import folders

        names = [
            name
            for name in folders.inventory(self.stores)
            if not name.startswith(".plan/") and name.startswith(self.own)
        ]
        done = json.loads((self.stores / ".plan" / self.stage / "done.json").read_text())
        return folders.contents(self.stores, names) | {"digest": done["digest"], "gates": json.dumps(done["gates"])}

    def faults(self) -> list[Fault]:
        """All of them."""
        return [(n, mode) for n, (kind, _) in enumerate(self.points) for mode in MODES[kind]]

    def told(self, fault: Fault) -> str:
        """A fault in words, the same ones whatever the order in which sets are gone through: which time it is that
        this is done to this file.
        """
        kind, path = self.points[fault[0]]
        inside = path.removeprefix(f"{self.stores}/").removeprefix(f"{self.settings.survey.root}/")
        return f"{self.stage} {kind} {inside} {self._times[fault[0]]} {fault[1]}"

    def outcomes(self, faults: Iterable[Fault]) -> Iterator[tuple[Fault, str]]:
        """What is wrong with what comes of each fault, in the order of the points; empty where it is named
        and nothing of it is left.
        """
        wanted: dict[int, list[str]] = {}
        for n, mode in faults:
            wanted.setdefault(n, []).append(mode)
        self.as_before()
        spine, said, replies = self._spine(wanted)
        try:
            for line in said:
                asked = json.loads(line)
                if "outcome" in asked:
                    yield tuple(asked["outcome"]), asked["wrong"]
                    continue
                replies.write(json.dumps(self.in_a_fork(self.gone_on_with)) + "\n")
                replies.flush()
            if (code := _exit_code(spine)) != 0:
                raise RuntimeError(f"{self.stage}: the run whose forks fail ended with {code} itself")
        finally:
            with suppress(ChildProcessError, ProcessLookupError):
                os.kill(spine, signal.SIGKILL)
                os.waitpid(spine, 0)
            said.close()
            replies.close()
            self.as_before()

    def wrong(self, fault: Fault) -> str:
        """Of one fault."""
        [(_, wrong)] = self.outcomes([fault])
        return wrong

    def _spine(self, wanted: dict[int, list[str]]) -> tuple[int, object, object]:
        """A process that does the stage and is forked at each point with a fault: its id, what it says,
        and where it is replied to.
        """
        says, replied = os.pipe(), os.pipe()
        spine = os.fork()
        if spine:
            os.close(says[1])
            os.close(replied[0])
            return spine, os.fdopen(says[0]), os.fdopen(replied[1], "w")
        code = 1
        try:
            with os.fdopen(says[1], "w") as say, os.fdopen(replied[0]) as replies:

                def ask(question: dict) -> str:
                    say.write(json.dumps(question) + "\n")
                    say.flush()
                    return "" if "outcome" in question else json.loads(replies.readline())

                self._run_with_forks(wanted, ask)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)

    def _run_with_forks(self, wanted: dict[int, list[str]], ask: Callable[[dict], str]) -> None:
        seen, failing, last = 0, False, max(wanted)

        def at(kind: str, path: str) -> None:
            nonlocal seen, failing
            if kind == "write" and failing:
                _unshare(path)
            if failing:
                return
            n, seen = seen, seen + 1
            if n > last and not self._waiting:
                os._exit(0)
            if n < len(self.points) and self.points[n] != (kind, named(path)):
                raise Unlike(f"point {n} of {self.stage} is {kind} {path}, and was {self.points[n]}")
            for mode in wanted.get(n, ()):
                POINTS.at = None
                here, absent = (
                    self.state(),
                    [folder for folder in (self.stores / ".plan", self.stores) if not folder.exists()],
                )
                aside = self._set_aside()
                child = 0 if mode == "kill" else _fork()
                if mode != "kill" and not child.pid:
                    failing, POINTS.at = True, at
                    self._child = child
                    self._take_over(aside)
                    if kind == "write":
                        _unshare(path)
                    POINTS.fail(mode, path)
                    return
                if wrong := "" if mode == "kill" else child.said():
                    ask({"outcome": (n, mode), "wrong": wrong})
                elif self._inventory_of_others() != self._others:
                    ask({"outcome": (n, mode), "wrong": "files of other stages were touched"})
                else:
                    state = self.state()
                    if (
                        state not in self._known
                        and state == here
                        and "kill" in wanted.get(self._renamed_next[n], ())
                        and (n, mode) != (self._renamed_next[n], "kill")
                    ):
                        self._waiting.setdefault(state, []).append((n, mode))
                    else:
                        self._known[state] = self._known.get(state) if state in self._known else ask({"go on": True})
                        for one in [(n, mode), *self._waiting.pop(state, ())]:
                            ask({"outcome": one, "wrong": self._known[state]})
                self._clear()
                self._bring_back(aside)
                for folder in absent:
                    with suppress(OSError):
                        folder.rmdir()  # a fork may have made it
                POINTS.at = at

        error = None
        self._child = None
        with POINTS.told(at):
            try:
                self._run(self.settings, [self.stage])
            except BaseException as raised:
                error = raised
        if self._child is not None:
            self._child.say(self._judged(error))
        if error is not None:
            raise error
        if self.contents() != self.calm:
            raise Unlike(f"{self.stage}: a run that was left alone differs")
        if self._waiting:
            raise Unlike(f"{self.stage}: what was left at {list(self._waiting.values())} did not come again")

    def _judged(self, error: BaseException | None) -> str:
        """What is wrong with the end of a run with a fault."""
        if error is None:
            return self._differs("silent: other bytes")
        if not type(error).__module__.startswith("lenscal"):
            return f"an error of Python's own: {type(error).__name__}: {error}"
        return "" if self._names_it(str(error)) else f"an error that names nothing: {error}"

    def _names_it(self, text: str) -> bool:
        """Whether a sentence has a file or folder of the run or its survey, or the product, by name."""
        return any(f"{place}/" in text or f"'{place}'" in text for place in self.places) or any(
            f"'{name}" in text for name in self.own
        )

    def judged_run(self) -> str:
        """What is wrong with the end of a run of the stage, whatever fails it."""
        error = None
        try:
            with POINTS.told(lambda kind, path: _unshare(path) if kind == "write" else None):
                self._run(self.settings, [self.stage])
        except BaseException as raised:
            error = raised
        return self._judged(error)

    def _renames(self) -> Iterator[int]:
        """For each point the next one at which an unfinished file, beside what is there now, is renamed; -1 where
        something else comes first.
        """
        following, found = -1, []
        for n in reversed(range(len(self.points))):
            kind, path = self.points[n]
            if kind == "rename":
                following = n if unfinished(path) else -1
            elif kind in ("remove", "fsync") or (kind == "write" and not unfinished(path)):
                following = -1
            found.append(following)
        return reversed(found)

    def gone_on_with(self) -> str:
        """In a fork that remembers nothing: the run, on what was left."""
        try:
            with POINTS.told(lambda kind, path: _unshare(path) if kind == "write" else None):
                self._run(self.settings, [self.stage])
        except BaseException as error:
            return f"cannot be gone on with: {type(error).__name__}: {error}"
        return self._differs("other bytes afterwards")

    def _differs(self, what: str) -> str:
        """In which products the stores differ from those of the run that was left alone; empty when they do not."""
        now = self.contents()
        differ = sorted(name for name in {*now, *self.calm} if now.get(name) != self.calm.get(name))
        differ += [named(path.name) for path in self.stores.glob(".*.tmp")]
        return f"{what}: {', '.join(differ[:5])}" if differ else ""

    def in_a_fork(self, work: Callable[[], object]) -> object:
        child = _fork()
        if not child.pid:
            try:
                child.say(work())
            except BaseException as error:
                child.say(f"failed: {type(error).__name__}: {error}")
            os._exit(0)
        return child.said()

    def state(self) -> str:
        """Hash of all that a fault left: files by content, folders, and which of the markers
        are younger than each file.

        Unfinished files count where the stage is finished, for only then is anything looked at before they are removed.
        """
        parts, marks, tops = [], [], self._own_now(self.stores)
        finished = (self.stores / ".plan" / self.stage / "done.json").exists()
        for top in tops:
            for path in _files(self.stores / top) if top in self.own and top != ".plan/lock" else ():
                name = named(path.removeprefix(f"{self.stores}/"))
                if unfinished(name):
                    parts += [(name, 0, "")] if finished else []
                    continue
                status = os.stat(path)
                if name.startswith(".plan/"):
                    marks.append((name, status.st_mtime_ns))
                parts.append((name, status.st_mtime_ns, self._hash(path, status, name)))
        whole = [(name, content, [mark for mark, when in marks if when >= moment]) for name, moment, content in parts]
        folders_ = [named(top) for top in tops if top not in self.own or (self.stores / top).is_dir()]
        return hashlib.blake2b(json.dumps([sorted(whole), folders_]).encode(), digest_size=16).hexdigest()

    def _hash(self, path: str, status: os.stat_result, name: str) -> str:
        key = (status.st_ino, status.st_mtime_ns, status.st_size)
        if key not in self._hashes:
            content = Path(path).read_bytes()
            if name.startswith(".plan/"):
                with suppress(ValueError):
                    found = json.loads(content)
                    content = json.dumps(
                        {key: value for key, value in found.items() if key not in _CLOCK}, sort_keys=True
                    ).encode()
            self._hashes[key] = hashlib.blake2b(content, digest_size=16).hexdigest()
        return self._hashes[key]

    def _inventory_of_others(self) -> dict[str, str]:
        from lenscal.io import folders

        return {
            name: version
            for name, version in folders.inventory(self.stores).items()
            if not name.startswith(self.own) and (name.startswith(".plan/") or not name.startswith("."))
        }

    def as_before(self) -> None:
        """The stores as they were before the stage."""
        self._clear()
        for folder in (self.stores / ".plan", self.stores):
            with suppress(OSError):
                folder.rmdir()  # where nothing was before the first stage
        for name, content in self._shared.items():
            (self.stores / name).write_bytes(content)

    def _clear(self) -> None:
        for name in self._own_now(self.stores):
            path = self.stores / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _own_now(self, top: Path) -> list[str]:
        """What the stage writes of a folder of stores, as far as it is there, with what is unfinished."""
        if not top.exists():
            return []
        return [name for name in self.own if (top / name).exists()] + [path.name for path in top.glob(".*.tmp")]

    def _set_aside(self, copied: bool = True) -> Path:
        """Move all that the stage may write elsewhere, as it is and with all that is open; leave a
        copy, if any, in its place.
        """
        self._number += 1
        aside = self._aside / f"{os.getpid()}-{self._number}"
        names = self._own_now(self.stores)
        for name in names:
            (aside / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.stores / name, aside / name)
        growing = _open_to_write(aside) if copied else {}
        for name in names if copied else ():
            if name != ".plan/lock":
                _linked(aside / name, self.stores / name, growing)
        return aside

    def _take_over(self, aside: Path) -> None:
        """In a fork: what is open to be written to is the copy."""
        for path, descriptor in _open_to_write(aside).items():
            if (copy := self.stores / Path(path).relative_to(aside)).exists():
                mine = os.open(copy, os.O_WRONLY)
                os.lseek(mine, os.lseek(descriptor, 0, os.SEEK_CUR), os.SEEK_SET)
                os.dup2(mine, descriptor)
                os.close(mine)

    def _bring_back(self, aside: Path) -> None:
        for name in self._own_now(aside):
            (self.stores / name).parent.mkdir(parents=True, exist_ok=True)
            os.rename(aside / name, self.stores / name)
        shutil.rmtree(aside, ignore_errors=True)


class _Fork:
    """A child of this process, or (without `pid`) this process as one; it says one thing."""

    def __init__(self, pid: int, end: int) -> None:
        self.pid, self._end = pid, end

    def say(self, what: object) -> None:
        with os.fdopen(self._end, "w") as end:
            json.dump(what, end)
        os._exit(0)

    def said(self) -> object:
        """What it said; what is wrong with it when it said nothing."""
        signal.signal(signal.SIGALRM, lambda *_: os.kill(self.pid, signal.SIGKILL))
        signal.alarm(PATIENCE)
        with os.fdopen(self._end) as end:
            text = end.read()
        signal.alarm(0)
        code = _exit_code(self.pid)
        return json.loads(text) if text else f"hangs, or ended with {code} without a word"


def _fork() -> _Fork:
    mine, its = os.pipe()
    pid = os.fork()
    os.close(its if pid else mine)
    return _Fork(pid, mine if pid else its)


def _exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _open_to_write(folder: Path) -> dict[str, int]:
    """Descriptors of this process by the files below a folder that they write to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            path = os.readlink(f"/proc/self/fd/{name}")
            if path.startswith(f"{folder}/") and int(
                Path(f"/proc/self/fdinfo/{name}").read_text().split("flags:")[1].split()[0], 8
            ) & (os.O_WRONLY | os.O_RDWR):
                found[path] = int(name)
    return found


def _linked(source: Path, target: Path, growing: Container[str]) -> None:
    """A copy whose files are the same ones on the disk, until one is written to (`_unshare`); those that are
    being written to are not.
    """
    if not source.is_dir():
        shutil.copy2(source, target) if str(source) in growing else os.link(source, target)
        return
    os.mkdir(target)
    with os.scandir(source) as entries:
        for entry in entries:
            _linked(Path(entry.path), target / entry.name, growing)


def _unshare(path: str) -> None:
    """A file that is about to be written to in place is one of its own."""
    with suppress(FileNotFoundError, IsADirectoryError):
        if os.stat(path).st_nlink > 1:
            shutil.copy2(path, f"{path}.own")
            os.replace(f"{path}.own", path)


def _files(top: Path) -> Iterator[str]:
    if top.is_dir():
        for folder, _, names in os.walk(top):
            yield from (f"{folder}/{name}" for name in names)
    elif top.exists():
        yield str(top)


def _forget() -> None:
    """Nothing that lenscal has read is remembered."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == "lenscal":
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


@contextmanager
def small_run(folder: Path) -> Iterator[tuple[Callable[..., object], object]]:
    """A small sky below a folder; a function that gives the settings of the smallest run on it, with changes; and what
    this process is patched by.
    """
    import dask
    import pytest
    from chaos import Chaos, draw_sky
    from loops import in_process

    from lenscal import config

    draw_sky(folder, bricks=8, lenses=12, galaxies_per_brick=8, brick_pixels=300, overlapping_pairs=1)
    axes = {"theta_e": (1.5, 1.5, 0.5), "psf_fwhm": (1.3, 1.3, 0.4), "depth": (23.5, 23.5, 1.0)}

    def settings(name: str = "faults", **changes: object) -> object:
        return config.load(
            Chaos(folder, seed=1).runfile(
                name,
                cutouts={"block": 16},
                quality={"block": 16, "failed_fraction_max": 1.0},
                manifest={"anchor_tiers": ["A"], "negatives_per_positive": 1, "required_classes": [], "types_min": 1},
                injections={
                    "grid": {name: dict(zip(("start", "stop", "step"), axis)) for name, axis in axes.items()},
                    "trials": 6,
                    "hosts_min": 1,
                    "lenses_min": 5,
                },
                detector={
                    "training": {
                        "epochs": 1,
                        "batch": 8,
                        "positives_per_epoch": 4,
                        "negatives_per_epoch": 4,
                        "val_negatives": 4,
                    }
                },
                completeness={"false_positive_rates": [0.5], "trials_min": 1, "hosts_min": 1},
                realism={"sensitivity_injections": 4, "splits": 100, "panel": 2, "priors": ["observed-colours"]},
                **changes,
            )
        )

    with dask.config.set(scheduler="synchronous"), pytest.MonkeyPatch.context() as patched:
        in_process(patched)
        in_one_thread(patched, POINTS)
        yield settings, patched


def stage_trials(
    folder: Path, settings: Callable[..., object], patched: object, plain: bool = False
) -> Callable[[str], Trial]:
    """A function that gives the trial of each stage of a `small_run`, which are to be asked for in their order.

    `plain` has the report with its first figure alone.
    """
    if plain:
        from lenscal.report import figures

        drawings = figures.drawings

        def first_alone(inputs: object) -> dict:
            first, *others = drawings(inputs).items()
            return dict([first]) | {name: lambda inputs: "not drawn here" for name, _ in others}

        patched.setattr(figures, "drawings", first_alone)
    drawn_once(patched)
    return lambda stage: Trial(folder, settings(), stage)


def scratch() -> Path:
    """A new folder in memory where there is one, for thousands of small files."""
    return Path(tempfile.mkdtemp(prefix="faultpoints-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


class Log:
    """What was tried, one fault to a line, in a file that a later run goes on from."""

    def __init__(self, path: Path | None, afresh: bool, names: tuple[str, ...] = STAGES) -> None:
        self.path, self.done = path, {}
        if path and path.exists() and not afresh:
            for line in path.read_text().splitlines():
                told, _, wrong = line.partition(": ")
                if told.startswith(names):
                    self.done[told] = wrong.removeprefix("named, or without a trace")
        elif path:
            path.write_text("")

    def add(self, told: str, wrong: str) -> None:
        self.done[told] = wrong
        if self.path:
            with self.path.open("a") as file:
                file.write(f"{told}: {wrong or 'named, or without a trace'}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--kinds", default=",".join(MODES), help="only points of these kinds")
    parser.add_argument("--every", type=int, default=1, help="only every so many-th of the faults")
    parser.add_argument("--log", type=Path)
    parser.add_argument(
        "--count", action="store_true", help="try none, and say what there is and what the log has of it"
    )
    parser.add_argument("--afresh", action="store_true", help="try those of the log again")
    arguments = parser.parse_args()
    wanted, log, bad, table = arguments.stages.split(","), Log(arguments.log, arguments.afresh), 0, []
    folder = scratch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no fork is left behind
    try:
        with small_run(folder) as (settings, patched):
            trial_of = stage_trials(folder, settings, patched)
            for stage in STAGES[: 1 + max(map(STAGES.index, wanted))]:
                trial = trial_of(stage)
                if stage in wanted:
                    table.append(tried(trial, log, arguments.kinds.split(","), arguments.every, arguments.count))
                    bad += table[-1][-1]
                trial.end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    kinds = list(MODES)
    print(
        f"| stage | points | {' | '.join(kinds)} | faults | tried | silent, unnamed or with a trace |\n"
        f"|{' --- |' * (len(kinds) + 5)}"
    )
    for stage, counts, faults, done, wrong in table:
        print(
            f"| {stage} | {sum(counts.values()):,} | {' | '.join(str(counts[kind]) for kind in kinds)} | "
            f"{faults:,} | {done:,} | {wrong} |"
        )
    return bad > 0


def tried(trial: Trial, log: Log, kinds: Sequence[str], every: int, count: bool) -> tuple[str, Counter, int, int, int]:
    """All faults of a stage that the log has not; name, points by kind, faults, those tried
    and those that went wrong.
    """
    counts, faults = (
        Counter(kind for kind, _ in trial.points),
        [(n, mode) for n, mode in trial.faults() if trial.points[n][0] in kinds][::every],
    )
    todo = [fault for fault in faults if log.done.get(trial.told(fault), "?")]
    print(
        f"{trial.stage}: {len(trial.points)} points "
        f"({', '.join(f'{count} {kind}' for kind, count in sorted(counts.items()))}), {len(faults)} faults, "
        f"{len(faults) - len(todo)} of them in the log",
        flush=True,
    )
    began = spoke = time.monotonic()
    for number, (fault, wrong) in enumerate(trial.outcomes(todo) if todo and not count else (), 1):
        log.add(trial.told(fault), wrong)
        if wrong:
            print(f"  {trial.told(fault)}: {wrong}", flush=True)
        if time.monotonic() - spoke > 20 or number == len(todo):
            spoke = time.monotonic()
            rate = number / (spoke - began)
            print(
                f"  {trial.stage}: {number} of {len(todo)}, {rate:.1f}/s, "
                f"{(len(todo) - number) / rate / 60:.1f} min to go",
                flush=True,
            )
    found = [log.done[told] for told in map(trial.told, faults) if told in log.done]
    return trial.stage, counts, len(faults), len(found), sum(map(bool, found))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    sys.exit(main())
