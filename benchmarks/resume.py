"""What it costs to know that nothing is to be done: a finished plan run again, and a stage whose every block is looked at.

    python benchmarks/resume.py [--bricks 40]

Limits: a finished plan < 2 s (after import); resume < 1 % of the work that it saves.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import yaml

from lenscal import config, mock
from lenscal.run import run

STAGES = ["objects", "manifest", "cutouts", "quality"]
HERE = Path(__file__).resolve().parent


def clock(settings: config.Settings) -> float:
    start = time.perf_counter()
    run(settings, STAGES)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bricks", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = yaml.safe_load((HERE.parent / "tests" / "tiny.yaml").read_text())
        raw["sky"] |= {"bricks": asked.bricks, "lenses": asked.bricks}
        raw["cutouts"]["block"] = raw["quality"]["block"] = 256
        path = Path(folder) / "resume.yaml"
        path.write_text(yaml.safe_dump(raw))
        settings = config.load(path)
        mock.draw(settings)
        work = clock(settings)
        finished = min(clock(settings) for _ in range(3))
        plans = settings.stores / ".plan"
        blocks = rows = 0
        for stage in ("cutouts", "quality"):
            done = json.loads((plans / stage / "done.json").read_text())
            blocks, rows = blocks + done["blocks"], done["rows"]
            (plans / stage / "done.json").unlink()
        resumed = clock(settings)
        files = sum(1 for path in settings.stores.rglob("*") if path.is_file())
    print(f"{rows} galaxies, {blocks} blocks, {files} files")
    print(f"the work:                        {work:8.2f} s")
    print(f"finished plan again:             {finished:8.2f} s  ({100 * finished / work:.2f} % of the work)")
    print(f"every block looked at, gates anew:{resumed:7.2f} s  ({100 * resumed / work:.2f} % of the work)")


if __name__ == "__main__":
    main()
