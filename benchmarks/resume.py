"""What it costs to know that nothing is to be done: a finished plan run again, and an interrupted stage whose
every block is looked at.

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
from lenscal.audit import run

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
        plan = settings.stores / ".plan" / "cutouts" / "done.json"
        done = json.loads(plan.read_text())
        plan.unlink()  # an interrupted stage whose blocks are all there
        resumed = clock(settings)
        files = sum(1 for path in (settings.stores / "cutouts.zarr").rglob("*") if path.is_file())
    print(f"{done['rows']} galaxies; cutouts: {done['blocks']} blocks, {files} files")
    print(f"the work, {', '.join(STAGES)}: {work:.2f} s, of which the cutouts {done['seconds']:.2f} s")
    print(f"finished plan again: {finished:.3f} s ({100 * finished / work:.2f} % of the work)")
    more = resumed - finished
    print(
        f"and every block of the cutouts looked at: {more:.3f} s more "
        f"({100 * more / done['seconds']:.2f} % of the cutouts)"
    )


if __name__ == "__main__":
    main()
