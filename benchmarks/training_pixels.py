"""Training images in memory beside those on disk: time to read them once, time of batches in the order of an epoch, and
peak memory.

    python benchmarks/training_pixels.py [--rows 20000] [--batches 200]

The images are made while they are read, so that only what `batches.Pixels` does is measured. Each case is a process of
its own, since peaks of memory do not fall.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

SIZE, BATCH, MARGIN = 64, 64, 2


def measured(rows: int, batches: int, memory_gb: float) -> dict:
    """Seconds and bytes of one case."""
    import dask.array as da
    import xarray as xr

    from lenscal.detector.batches import Pixels

    side = SIZE + 2 * MARGIN
    image = da.map_blocks(
        lambda block_info=None: np.broadcast_to(
            np.arange(*block_info[None]["array-location"][0], dtype=np.float32)[:, None, None, None],
            block_info[None]["chunk-shape"],
        ).copy(),
        chunks=((512,) * (rows // 512) + ((rows % 512,) if rows % 512 else ()), (3,), (side,), (side,)),
        dtype=np.float32,
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    pixels = Pixels(xr.DataArray(image, dims=("galaxy", "band", "y", "x")), np.arange(rows), SIZE, memory_gb)
    filled = time.perf_counter() - start
    order = np.random.default_rng(1).permutation(rows)
    start = time.perf_counter()
    for n in range(batches):
        part = order[(n * BATCH) % rows :][:BATCH]
        if not (pixels(part)[:, 0, 0, 0] == part).all():
            raise SystemExit("an image came back that is not the one asked for")
    asked = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"fill": filled, "batch": asked / batches, "mb": (peak - before) / 1e3, "in_memory": bool(pixels.in_memory)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--case", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case is not None:
        print(json.dumps(measured(asked.rows, asked.batches, asked.case)))
        return
    whole = asked.rows * 3 * (SIZE + 2 * MARGIN) ** 2 * 4 / 1e9
    print(f"{asked.rows:,} images of {whole:.2f} GB")
    for name, limit in (("in memory", 2 * whole), ("on disk", whole / 1e6)):
        command = [sys.executable, __file__, "--rows", str(asked.rows), "--batches", str(asked.batches)]
        found = json.loads(subprocess.check_output([*command, "--case", str(limit)], text=True).splitlines()[-1])
        print(
            f"{name:10s} read once in {found['fill']:6.1f} s ({asked.rows / found['fill']:,.0f} images/s), a batch of "
            f"{BATCH} in {1e3 * found['batch']:.2f} ms, {found['mb']:,.0f} MB more than before"
        )


if __name__ == "__main__":
    main()
