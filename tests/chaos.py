"""Runs that are killed at random moments, gone on with, and held against one that was left alone.

    python tests/chaos.py [--kills 100] [--seed 1] [--log chaos.log]

Each kill is a SIGKILL of the driver, of a worker or of the scheduler (the latter two of a cluster of their own processes); one time in four a
byte of a finished file is turned as well before the run goes on. A run that came to its end is compared by the digests of its stages and
of its stores, and the next one begins. Exit code 1 when any digest differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

HERE = Path(__file__).resolve().parent
STAGES = ("objects", "manifest", "cutouts", "quality")
TARGETS = ("driver", "worker", "scheduler")
PATIENCE = 900  # seconds after which a run that neither ends nor fails is called hung
_ENV = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
_QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": _ENV}


class Cluster:
    """A scheduler and a worker under its nanny, processes of their own on this machine."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        self.file.unlink(missing_ok=True)
        common = ["--scheduler-file", str(self.file), "--no-dashboard", "--host", "127.0.0.1"]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--port", "0", *common]
        self.scheduler = subprocess.Popen(command, **_QUIET)
        deadline = time.monotonic() + 60
        while not self.file.exists() or not self.file.read_text().strip():
            if time.monotonic() > deadline or self.scheduler.poll() is not None:
                raise RuntimeError("the scheduler did not start")
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", "--nworkers", "1", "--nthreads", "2", "--death-timeout", "20", *common]
        self.nanny = subprocess.Popen(command, cwd=folder, **_QUIET)

    def workers(self) -> list[psutil.Process]:
        """The processes that do the work (a nanny has one; Python's resource trackers are none)."""
        try:
            return [p for p in psutil.Process(self.nanny.pid).children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
        except psutil.Error:
            return []

    def end(self) -> None:
        """No process of it is left."""
        for process in (*self.workers(), self.nanny, self.scheduler):
            try:
                process.kill()
                process.wait(30)
            except (psutil.NoSuchProcess, ProcessLookupError):
                pass


@dataclass
class Chaos:
    """A small run below one folder, and what happens to it."""

    folder: Path
    seed: int
    negatives: int = 20  # for each positive: how long a run is
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

    def launch(self, runfile: Path) -> subprocess.Popen:
        command = [sys.executable, "-m", "lenscal", "run", str(runfile), "--quiet", "--stages", ",".join(STAGES)]
        with (self.folder / "said.txt").open("w") as said:
            return subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=_ENV, cwd=self.folder)

    def digests(self, name: str) -> dict[str, str]:
        """Of each stage by its summary, and of the bytes of each product."""
        from lenscal.io import folders

        stores = self.folder / "stores" / name
        found = {stage: json.loads((stores / ".plan" / stage / "done.json").read_text())["digest"] for stage in STAGES}
        for product in ("objects", "manifest", "cutouts.zarr", "quality.zarr"):
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
        while not plan.exists() and process.poll() is None:
            time.sleep(0.02)
        begun = time.monotonic() - start
        self.wait(process)
        if process.returncode:
            raise RuntimeError((self.folder / "said.txt").read_text())
        return begun, time.monotonic() - start

    def wait(self, process: subprocess.Popen) -> None:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise RuntimeError(f"the run neither ended nor failed within {PATIENCE} s") from None

    def damage(self, name: str, rng: random.Random) -> str:
        """Turn a byte of a finished file, or cut it short, and say which."""
        stores = self.folder / "stores" / name
        files = sorted(path for product in ("cutouts.zarr", "quality.zarr") for path in (stores / product).rglob("c/*") if path.is_file())
        files += sorted(path for product in ("cutouts.zarr", "quality.zarr") for path in (stores / product).rglob("c/*/*/*/*") if path.is_file())
        if not files:
            return ""
        file = rng.choice(files)
        content = bytearray(file.read_bytes())
        place = rng.randrange(len(content))
        if rng.random() < 0.5:
            content[place] ^= 0xFF
            file.write_bytes(content)
            return f"; byte {place} of {file.relative_to(stores)} turned"
        file.write_bytes(content[:place])
        return f"; {file.relative_to(stores)} cut to {place} bytes"

    def kill(self, name: str, target: str, blocks: int, delay: float, rng: random.Random) -> bool:
        """Start or go on with a run, kill some seconds after it has so many blocks; True when it came to its end all the same."""
        cluster = Cluster(self.folder) if target != "driver" else None
        try:
            process = self.launch(self.runfile(name, cluster.address if cluster else None))
            before, hit = self.markers(name), False
            plan = self.folder / "stores" / name / ".plan" / "objects" / "plan.json"
            while process.poll() is None and not (plan.exists() and self.markers(name) >= blocks):
                time.sleep(0.01)
            start = time.monotonic()
            while process.poll() is None and time.monotonic() - start < delay:
                time.sleep(0.01)
            if process.poll() is None:
                victims = {"driver": [process], "scheduler": [cluster and cluster.scheduler], "worker": cluster.workers() if cluster else []}[target]
                for victim in victims:
                    os.kill(victim.pid, signal.SIGKILL)
                    hit = True
            at = self.markers(name)
            self.wait(process)
            if target == "driver" and hit and process.returncode != -signal.SIGKILL:
                raise RuntimeError(f"the driver ended with {process.returncode}, not by the kill")
            ended = process.returncode == 0
            if not ended and not (target == "driver" and hit):
                text = (self.folder / "said.txt").read_text()
                if "Traceback" in text or not ("run again to go on" in text or "no Dask scheduler answers" in text):
                    raise RuntimeError(f"{target} killed: the run did not say what to do: {text[-2000:]}")
            harm = self.damage(name, rng) if not ended and rng.random() < 0.25 else ""
            what = f"{target} {'killed' if hit else 'not there any more'} {delay:.2f} s after block {blocks}"
            self.say(f"{name}: {what}, blocks {before} -> {at}, the run {'went on to its end' if ended else 'stopped'}{harm}")
            return ended
        finally:
            if cluster:
                cluster.end()

    def go(self, kills: int) -> bool:
        """All kills; whether every run that was brought to its end has the digests of the one left alone."""
        rng = random.Random(self.seed)
        begun, ended = self.first()
        calm = self.digests("calm")
        self.say(f"left alone: first stage at {begun:.1f} s, end at {ended:.1f} s, {self.markers('calm')} blocks")
        number, same, finished = 0, True, False
        for i in range(kills):
            name = f"run{number}"
            blocks = rng.randint(self.markers(name), max(self.markers(name), self.markers("calm") - 1))  # within what is left to do
            delay = rng.uniform(0, (ended - begun) / self.markers("calm"))
            finished = self.kill(name, TARGETS[i % 3] if i < 3 else rng.choice(TARGETS), blocks, delay, rng)
            if finished or i == kills - 1:
                same &= self.compare(name, calm)
                number += 1
        return same

    def compare(self, name: str, calm: dict[str, str]) -> bool:
        """Bring a run to its end and hold it against the calm one."""
        process = self.launch(self.runfile(name))
        self.wait(process)
        if process.returncode:
            raise RuntimeError((self.folder / "said.txt").read_text())
        found = self.digests(name)
        differ = [key for key in calm if found[key] != calm[key]]
        self.say(f"{name}: complete; " + ("DIFFERS in " + ", ".join(differ) if differ else "every digest and every byte is that of the run left alone"))
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
        chaos.say(f"{asked.kills} kills in {time.monotonic() - start:.0f} s: " + ("no digest differs" if good else "DIGESTS DIFFER"))
        print(chaos.log[-1])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
