"""The first audit beside that of an earlier commit, in turns: the embedded sky drawn, then the whole run.

    python benchmarks/audits.py [--against 60ea248] [--rounds 1] [--runfile pipelines/small.yaml] [--logs FOLDER]

For each: seconds on the wall, of the processor, and those of them that Numba compiled; and the peak of the memory of
all processes together (PSS, sampled four times a second), which is what a machine must have. Each begins with no
compiled kernel. The logs say how long each stage took.

Targets, of the earlier commit's: half the time, half the memory, a quarter of the compiling. The run of today does more
than that one: judgement, taxonomy, more of realism and of the report.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from earlier import BEFORE, CHECKOUT, unpacked
from memory import Watch

LISTENER = """
import os, sys

class AtKernels:
    # Counts what Numba compiles in a process that imports kernels; says so at once, since workers end without a word.
    def find_spec(self, name, path=None, target=None):
        if name == "lenscal.kernels.compiled":
            sys.meta_path.remove(self)
            from numba.core import event

            class Told(event.TimingListener):
                def on_end(self, one):
                    before = self.duration if self.done else 0.0
                    super().on_end(one)
                    if self.done and self.duration > before:
                        with open(os.environ["COMPILING"], "a") as file:
                            file.write(f"{self.duration - before}\\n")

            event.register("numba:compile", Told())
        return None

sys.meta_path.insert(0, AtKernels())
"""
"""`sitecustomize` of every process."""


def audited(sources: Path, runfile: Path, folder: Path, log: Path) -> tuple[float, ...]:
    """Seconds on the wall, of the processor and compiling, and GB, of the sky and the run of some sources in a folder
    that is removed afterwards.
    """
    here = folder / "pipelines"  # with the files that the run file names; stores may lie beside
    shutil.copytree(runfile.parent, here)
    (folder / "sitecustomize.py").write_text(LISTENER)
    own = {
        "PYTHONPATH": os.pathsep.join((str(folder), str(sources))),
        "PYTHONSAFEPATH": "1",
        "NUMBA_CACHE_DIR": str(folder / "compiled"),
        "COMPILING": str(folder / "compiling"),
    }
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with Watch() as watch, log.open("wb") as file:
        for verb in ("mock", "run"):
            done = subprocess.run(
                [sys.executable, "-m", "lenscal", verb, runfile.name],
                env=os.environ | own,
                cwd=here,
                stdout=file,
                stderr=file,
            )
            if done.returncode not in (0, 1):  # 1: a gate fails
                sys.exit(f"'lenscal {verb}' of {sources} ended with {done.returncode}: see {log}")
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    compiling = sum(map(float, (folder / "compiling").read_text().split()))
    shutil.rmtree(folder)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, compiling, watch.all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BEFORE, help="commit to compare with")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runfile", type=Path, default=CHECKOUT / "pipelines" / "small.yaml")
    parser.add_argument("--logs", type=Path, help="folder for what the runs say; a temporary one without")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        logs = asked.logs or work
        logs.mkdir(parents=True, exist_ok=True)
        # Both from a folder of their own: what a checkout has compiled before is not used.
        sides = {asked.against: unpacked(asked.against, work / "before"), "now": unpacked("HEAD", work / "now")}
        found: dict[str, list[tuple[float, ...]]] = {name: [] for name in sides}
        for number in range(asked.rounds):
            for name in list(sides)[:: 1 if number % 2 else -1]:
                found[name].append(audited(sides[name], asked.runfile, work / "run", logs / f"{name}-{number}.log"))
                print(f"{name}:", " ".join(f"{figure:.2f}" for figure in found[name][-1]), flush=True)
        print(f"\n| | {asked.against} | now | ratio |\n| --- | --- | --- | --- |")
        before, now = (np.median(found[name], axis=0) for name in sides)
        for what, old, new in zip(("wall [s]", "processor [s]", "compiling [s]", "peak PSS of all [GB]"), before, now):
            print(f"| {what} | {old:.2f} | {new:.2f} | {new / old:.2f} |")


if __name__ == "__main__":
    main()
