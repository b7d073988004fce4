"""Runs that are killed at random moments, gone on with, and held against one that was left alone.

    python tests/support/chaos.py [--kills 100] [--seed 1] [--log chaos.log]

Each kill is a SIGKILL of the driver, of a worker, of the scheduler or of all of them at once, at a random moment of a
run on a cluster of its own or on one that outlives it. All at once is a machine that loses power: of the files written
in its last seconds some are empty or cut short afterwards, markers and plans among them. One time in four a byte of a
finished file is turned as well before a run that stopped goes on. A run takes kills until it comes to its end; then the
digests of its stages and the bytes of its stores are compared with those of the run that was left alone, and the next
one begins. A moment at which there is nothing to kill any more is no kill. Exit code 1 when any digest differs.

Drivers, schedulers and nannies are forked from one process that has imported lenscal, so that the time goes into what
is killed; workers are started by their nanny as ever.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml
from places import TESTS as HERE

STAGES = ("objects", "manifest", "cutouts", "quality")
TARGETS = ("driver", "worker", "scheduler", "machine")
UNSAVED = 2.0  # seconds of writing that a machine without power has not yet put on its disk
STEP = 25  # blocks that a run is left alone at most, so that each takes several kills
BARREN = (
    3  # kills in a row that a run without a new block takes; then it is left to come to its end, on a slow machine too
)
PATIENCE = 900  # seconds after which a run that neither ends nor fails is called hung
_ENV = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "lenscal.cli",
        "lenscal.audit",
        "lenscal.cutouts",
        "lenscal.quality",
        "distributed.cli.dask_scheduler",
        "distributed.cli.dask_worker",
        "dask.array",
        "zarr",
    ]
)


def _fork(work: object, *arguments: object) -> multiprocessing.process.BaseProcess:
    process = _FORKS.Process(target=work, args=arguments)
    process.start()
    return process


def _become(folder: Path, said: Path) -> None:
    """A program of its own: its folder, its environment, what it says into a file."""
    os.environ.update(_ENV)
    os.chdir(folder)
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _drive(folder: Path, runfile: Path) -> None:
    """In a process of its own: `lenscal run` on the stages of pixels."""
    _become(folder, folder / "said.txt")
    from lenscal.cli import app

    app(["run", str(runfile), "--quiet", "--stages", ",".join(STAGES)])


def _serve(folder: Path, command: str, arguments: list[str]) -> None:
    """In a process of its own: `dask scheduler` or `dask worker`, silent; begun again when it ends, as the nanny of a
    worker that was killed while it started does.
    """
    from importlib import import_module

    _become(folder, Path(os.devnull))
    while True:
        with suppress(SystemExit, Exception):
            import_module(f"distributed.cli.dask_{command}").main(arguments)
        time.sleep(0.2)


class Cluster:
    """A scheduler and a worker under its nanny, processes of their own on this machine."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.file.unlink(missing_ok=True)
        common = ["--scheduler-file", str(self.file), "--no-dashboard", "--host", "127.0.0.1"]
        self.scheduler = _fork(_serve, folder, "scheduler", ["--port", "0", *common])
        deadline = time.monotonic() + PATIENCE
        while not self.file.exists() or not self.file.read_text().strip():
            if time.monotonic() > deadline or not self.scheduler.is_alive():
                raise RuntimeError("the scheduler did not start")
            time.sleep(0.02)
        self.address = json.loads(self.file.read_text())["address"]
        self.nanny = _fork(
            _serve, folder, "worker", ["--nworkers", "1", "--nthreads", "2", "--death-timeout", "20", *common]
        )

    def workers(self) -> list[psutil.Process]:
        """The processes that do the work."""
        return _workers(self.nanny.pid)

    def processes(self) -> list:
        """All of them."""
        return [*self.workers(), self.nanny, self.scheduler]

    def end(self) -> None:
        """No process of it is left."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.nanny.join(30)
        self.scheduler.join(30)


def _below(parent: int) -> list[psutil.Process]:
    try:
        return psutil.Process(parent).children(recursive=True)
    except psutil.Error:
        return []


def _workers(parent: int) -> list[psutil.Process]:
    """Below a driver or a nanny (which has one); Python's resource trackers are none."""
    try:
        return [p for p in _below(parent) if "spawn_main" in " ".join(p.cmdline())]
    except psutil.Error:
        return []


@dataclass
class Chaos:
    """A small run below one folder, and what happens to it."""

    folder: Path
    seed: int
    negatives: int = 10  # for each positive: how long a run is
    log: list[str] = field(default_factory=list)
    said: Path | None = None

    def say(self, text: str) -> None:
        self.log.append(text)
        if self.said:
            with self.said.open("a") as file:
                file.write(text + "\n")

    def runfile(self, name: str, address: str | None = None, **changes: object) -> Path:
        """tiny.yaml with small blocks and stores of their own, on the one sky of this folder; `changes` by section."""
        raw = yaml.safe_load((HERE / "tiny.yaml").read_text())
        raw["stores"] = f"stores/{name}"
        raw["cutouts"]["block"] = raw["quality"]["block"] = 16
        raw["manifest"] = {"negatives_per_positive": self.negatives}
        raw["cluster"] = {"workers": 1, "threads": 2, "dashboard": False} | ({"address": address} if address else {})
        for section, values in changes.items():
            raw[section] = raw.get(section, {}) | values if isinstance(values, dict) else values
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(raw))
        return path

    def launch(self, runfile: Path) -> multiprocessing.process.BaseProcess:
        (self.folder / "said.txt").write_text("")
        return _fork(_drive, self.folder, runfile)

    def digests(self, name: str) -> dict[str, str]:
        """Of each stage by its summary, and of the bytes of each product."""
        from lenscal.io import folders

        stores = self.folder / "stores" / name
        found = {stage: json.loads((stores / ".plan" / stage / "done.json").read_text())["digest"] for stage in STAGES}
        for product in ("objects", "manifest", "cutouts.zarr", "quality.zarr", "quality"):
            names = sorted(folders.inventory(stores / product))
            found[product] = json.dumps(folders.contents(stores / product, names), sort_keys=True)
        return found

    def markers(self, name: str) -> int:
        return len(list((self.folder / "stores" / name / ".plan").glob("*/blocks/*.json")))

    def first(self) -> tuple[float, float]:
        """The run that is left alone: seconds until its first stage begins, and until its end."""
        start = time.monotonic()
        process = self.launch(self.runfile("calm"))
        plan = self.folder / "stores" / "calm" / ".plan" / "objects" / "plan.json"
        while not plan.exists() and process.is_alive():
            time.sleep(0.02)
        begun = time.monotonic() - start
        self.wait(process)
        if process.exitcode:
            raise RuntimeError((self.folder / "said.txt").read_text())
        return begun, time.monotonic() - start

    def wait(self, process: multiprocessing.process.BaseProcess) -> None:
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            raise RuntimeError(
                f"the run neither ended nor failed within {PATIENCE} s: "
                f"{(self.folder / 'said.txt').read_text()[-2000:]}"
            )

    def damage(self, name: str, rng: random.Random) -> str:
        """Turn a byte of a finished file, or cut it short, and say which."""
        stores = self.folder / "stores" / name
        files = sorted(
            path
            for product in ("cutouts.zarr", "quality.zarr")
            for path in (stores / product).rglob("c/*")
            if path.is_file()
        )
        files += sorted(
            path
            for product in ("cutouts.zarr", "quality.zarr")
            for path in (stores / product).rglob("c/*/*/*/*")
            if path.is_file()
        )
        files = [path for path in files if path.stat().st_size]  # one that lost its power may be empty already
        if not files:
            return ""
        file = rng.choice(files)
        content = bytearray(file.read_bytes())
        place = rng.randrange(len(content))
        if rng.random() < 0.5:
            content[place] ^= 0xFF
            file.write_bytes(content)
            return f"byte {place} of {file.relative_to(stores)} turned"
        file.write_bytes(content[:place])
        return f"{file.relative_to(stores)} cut to {place} bytes"

    def lose_power(self, name: str, rng: random.Random) -> str:
        """Of the files written last some are empty or cut short, their times as they were; say how many."""
        now, lost, recent = time.time(), 0, []
        for path in sorted((self.folder / "stores" / name).rglob("*")):
            if path.is_file() and path.name != "lock" and now - path.stat().st_mtime < UNSAVED:
                recent.append(path)
        for path in recent:
            if rng.random() < 0.5:
                status = path.stat()
                os.truncate(path, 0 if rng.random() < 0.5 else rng.randrange(status.st_size + 1))
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
                lost += 1
        return f"{lost} of the {len(recent)} files of its last {UNSAVED:g} s cut short"

    def moment(self, process: multiprocessing.process.BaseProcess, name: str, blocks: int, delay: float) -> bool:
        """Wait until some seconds after a run has so many blocks; whether it is still at work then."""
        plan = self.folder / "stores" / name / ".plan" / "objects" / "plan.json"
        deadline = time.monotonic() + PATIENCE
        while process.is_alive() and not (plan.exists() and self.markers(name) >= blocks):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the run does not go on: {(self.folder / 'said.txt').read_text()[-2000:]}")
            time.sleep(0.01)
        process.join(delay)
        return process.is_alive()

    def stopped(self, process: multiprocessing.process.BaseProcess, killed: bool) -> bool:
        """Wait for the end of a run, itself `killed` or some of its cluster; False when it came
        to its end all the same.

        Raises
        ------
        RuntimeError
            It ended otherwise than by the kill, or without saying what to do.
        """
        self.wait(process)
        if process.exitcode == 0:
            return False
        if killed and process.exitcode == -signal.SIGKILL:
            return True
        text = (self.folder / "said.txt").read_text()
        if "Traceback" in text or not ("run again to go on" in text or "no Dask scheduler answers" in text):
            raise RuntimeError(f"exit code {process.exitcode}: the run did not say what to do: {text[-2000:]}")
        return True

    def go(self, kills: int) -> bool:
        """All kills; whether every run that was brought to its end has the digests of the one left alone."""
        rng = random.Random(self.seed)
        begun, ended = self.first()
        calm = self.digests("calm")
        self.say(f"left alone: first stage at {begun:.1f} s, end at {ended:.1f} s, {self.markers('calm')} blocks")
        number, done, same, barren = 0, 0, True, 0
        process = cluster = None
        own = True  # the driver has a cluster of its own
        try:
            while done < kills:
                name = f"run{number}"
                target = TARGETS[done] if done < len(TARGETS) else rng.choice(TARGETS)
                if process is None:
                    own = target != "scheduler" and rng.random() < 0.3
                    if not own and cluster is None:
                        cluster = Cluster(self.folder)
                    process = self.launch(self.runfile(name, None if own else cluster.address))
                elif own and target == "scheduler":
                    target = "driver"  # where its scheduler is
                before = self.markers(name)
                if barren == BARREN:
                    self.wait(process)
                blocks = rng.randint(
                    before, max(before, min(before + STEP, self.markers("calm") - 1))
                )  # within what is left to do
                delay = rng.uniform(0, (ended - begun) / self.markers("calm"))
                if self.moment(process, name, blocks, delay):
                    workers = _workers(process.pid) if own else cluster.workers()
                    everyone = [process, *(_below(process.pid) if own else cluster.processes())]
                    victims = {
                        "driver": [process],
                        "worker": workers,
                        "scheduler": [] if own else [cluster.scheduler],
                        "machine": everyone,
                    }[target]
                    for sign in (signal.SIGSTOP, signal.SIGKILL):  # all at the same moment
                        for victim in victims:
                            with suppress(ProcessLookupError):
                                os.kill(victim.pid, sign)
                    if victims:
                        done += 1
                        where = "its own cluster" if own else "a cluster that outlives it"
                        self.say(
                            f"{done}. {name} on {where}: {target} killed {delay:.2f} s after block {blocks}, {before} "
                            f"-> {self.markers(name)} blocks"
                        )
                        barren = 0 if self.markers(name) > before else barren + 1
                    if target == "worker":
                        continue  # its nanny starts another: the run goes on, and is killed again
                finished = not self.stopped(process, target in ("driver", "machine"))
                process = None
                if target == "scheduler" or (target == "machine" and not own):
                    cluster.end()  # a scheduler that is gone has its workers behind it
                    cluster = None
                if target == "machine" and not finished:
                    self.say(f"{name}: {self.lose_power(name, rng)}")
                if finished:
                    same &= self.compare(name, calm, cluster)
                    number, barren = number + 1, 0
                elif rng.random() < 0.25 and (harm := self.damage(name, rng)):
                    self.say(f"{name}: {harm}")
            name = f"run{number}"
            if process is not None:
                self.wait(process)
            same &= self.compare(name, calm, cluster)
        finally:
            if process is not None and process.is_alive():
                process.kill()
            if cluster is not None:
                cluster.end()
        return same

    def compare(self, name: str, calm: dict[str, str], cluster: Cluster | None) -> bool:
        """Bring a run to its end and hold it against the calm one."""
        process = self.launch(self.runfile(name, cluster.address if cluster else None))
        self.wait(process)
        if process.exitcode:
            raise RuntimeError((self.folder / "said.txt").read_text())
        found = self.digests(name)
        differ = [key for key in calm if found[key] != calm[key]]
        self.say(
            f"{name}: complete; "
            + (
                "DIFFERS in " + ", ".join(differ)
                if differ
                else "every digest and every byte is that of the run left alone"
            )
        )
        shutil.rmtree(self.folder / "stores" / name)
        return not differ


def draw_sky(folder: Path, **changes: int) -> None:
    """The one sky of all runs; `changes` to its settings."""
    from lenscal import config, mock

    mock.draw(config.load(Chaos(folder, 0).runfile("calm", sky=changes)), workers=2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("chaos.log"))
    parser.add_argument("--sky", type=Path, help="folder with stores/sky drawn before; drawn afresh without")
    asked = parser.parse_args()
    asked.log.write_text("")
    with tempfile.TemporaryDirectory() as folder:
        if asked.sky:
            (Path(folder) / "stores").mkdir()
            (Path(folder) / "stores" / "sky").symlink_to(asked.sky.resolve())
        else:
            draw_sky(Path(folder))
        start = time.monotonic()
        chaos = Chaos(Path(folder), asked.seed, said=asked.log)
        good = chaos.go(asked.kills)
        chaos.say(
            f"{asked.kills} kills in {time.monotonic() - start:.0f} s: "
            + ("no digest differs" if good else "DIGESTS DIFFER")
        )
        print(chaos.log[-1])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
