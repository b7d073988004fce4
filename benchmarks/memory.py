"""Memory and time of cutouts and quality over a growing number of galaxies, through the stages of a run: the galaxies
of a small mock sky, repeated.

    python benchmarks/memory.py [--galaxies 5000 20000] [--stage cutouts quality] [--folder FOLDER]

Limits: 2 GB for all processes of a run together, at any number; quality of 20,000 cutouts <= 60 s on 2 cores. With a
folder that holds the cutouts of an earlier call, `--stage quality` measures the quality alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import yaml

from lenscal import config, mock
from lenscal.audit import run

HERE = Path(__file__).resolve().parent


def pss(process: psutil.Process) -> float:
    """Of one process, in GB: memory it shares counts in shares."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1e6
    except (OSError, StopIteration):
        return 0.0


class Watch(threading.Thread):
    """Peak PSS of the driver, of its largest worker, and of all together, sampled four times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.driver = self.worker = self.all = 0.0
        self._end = threading.Event()

    def run(self) -> None:
        me = psutil.Process()
        while not self._end.wait(0.25):
            own, others = pss(me), [pss(child) for child in me.children(recursive=True)]
            self.driver, self.worker = max(self.driver, own), max(self.worker, *others, 0.0)
            self.all = max(self.all, own + sum(others))

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.join()


def prepared(folder: Path, galaxies: int) -> config.Settings:
    """A run whose objects and manifest are complete, the manifest repeated under other ids to so many rows."""
    raw = yaml.safe_load((HERE.parent / "tests" / "tiny.yaml").read_text())
    raw["cutouts"]["block"] = raw["quality"]["block"] = 256
    raw["cluster"] = {"workers": 2, "threads": 1, "dashboard": False}

    def settings(name: str) -> config.Settings:
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(raw | {"stores": f"stores/{name}"}))
        return config.load(path)

    small = settings("small")
    if not (folder / "stores" / "sky").exists():
        mock.draw(small, workers=2)
    run(small, ["objects", "manifest"])
    large = settings(f"large-{galaxies}")
    if not large.stores.exists():
        shutil.copytree(small.stores, large.stores)
        rows = pd.concat(
            [pd.read_parquet(path) for path in sorted((small.stores / "manifest").rglob("*.parquet"))],
            ignore_index=True,
        )
        times = -(-galaxies // len(rows))
        copies = pd.concat(
            [rows.assign(galaxy_id=rows["galaxy_id"] + np.int64(4096) * i) for i in range(times)], ignore_index=True
        )[:galaxies]
        shutil.rmtree(large.stores / "manifest")
        (large.stores / "manifest").mkdir()
        copies.to_parquet(large.stores / "manifest" / "repeated.parquet", index=False)
    return large


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--galaxies", type=int, nargs="+", default=[5000, 20_000])
    parser.add_argument("--stage", nargs="+", default=["cutouts", "quality"])
    parser.add_argument("--folder", type=Path, help="kept; a temporary one without")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for galaxies in asked.galaxies:
            settings = prepared(folder, galaxies)
            for stage in asked.stage:
                start = time.perf_counter()
                with Watch() as watch:
                    run(settings, [stage])
                print(
                    f"{stage:8} of {galaxies:6} galaxies: {time.perf_counter() - start:6.1f} s on "
                    f"{os.cpu_count()} cores; peak PSS: driver {watch.driver:.2f}, largest worker "
                    f"{watch.worker:.2f}, all {watch.all:.2f} GB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
