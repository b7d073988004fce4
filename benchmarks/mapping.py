"""How long completeness over the sky takes for as many bricks as DR10 has: cutting them into HEALPix pixels, one map of
a radius or of a population, and all radii at once. Asked: a map at nside 256 in less than 10 s.

    python benchmarks/mapping.py [--bricks 330000] [--nside 256]

The bricks are made up (0.25 degree, seeing and depth that vary over the sky); the cube has 11 x 35 cells of 200 trials.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

SHAPE = (7, 5)


def cube() -> xr.Dataset:
    """11 x 7 x 5 cells of 200 trials, steep in theta_e."""
    import clustered

    from lenscal import completeness, config

    rng = np.random.default_rng(1)
    _, n, k = clustered.drawn(rng, clustered.steep, "bb 0.1", "even", (11, SHAPE[0] * SHAPE[1], 1))
    found = completeness.posterior(clustered.counted(n, k[:, :, 0], SHAPE), config.Completeness())
    return found.assign(area=(("psf_fwhm", "depth"), np.ones(SHAPE), {"units": "degree^2"}))


def bricks(number: int, one: xr.Dataset) -> pd.DataFrame:
    """Bricks from Dec -30 upward, whose seeing and depth run over the axes of the cube and a little beyond."""
    rng, rows, dec = np.random.default_rng(2), [], -30.0
    while sum(map(len, rows)) < number:
        n = max(int(1440 * np.cos(np.radians(dec + 0.125))), 1)
        ra = np.arange(n) * 360 / n
        rows.append(pd.DataFrame({"ra1": ra, "ra2": ra + 360 / n, "dec1": dec, "dec2": dec + 0.25}))
        dec += 0.25
    table = pd.concat(rows, ignore_index=True).head(number)
    ends = {name: (one[name].values.min() - 0.2, one[name].values.max() + 0.2) for name in ("psf_fwhm", "depth")}
    slow = 0.5 + 0.3 * np.sin(np.radians(3 * table["ra1"])) + rng.normal(0, 0.1, number)
    size = (table["ra2"] - table["ra1"]) * np.cos(np.radians(table["dec1"] + 0.125)) * 0.25
    values = {
        "psfsize_r": ends["psf_fwhm"][0] + np.clip(slow, 0, 1) * np.diff(ends["psf_fwhm"])[0],
        "psfdepth_r": ends["depth"][0] + np.clip(1 - slow, 0, 1) * np.diff(ends["depth"])[0],
        "area": size,
    }
    return table.assign(**values)


def main() -> None:
    from lenscal import completeness
    from lenscal.completeness import sky_pieces

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bricks", type=int, default=330_000)
    parser.add_argument("--nside", type=int, default=256)
    given = parser.parse_args()
    one = cube()
    table = bricks(given.bricks, one)
    small = sky_pieces.of_bricks(table.head(500), given.nside)
    completeness.sky_map(one, small, given.nside)  # compiled before the clock runs
    found, radii = {}, one["theta_e"].values.tolist()
    pieces = timed(found, f"cut {len(table):,} bricks", lambda: sky_pieces.of_bricks(table, given.nside))
    weights = dict.fromkeys(radii, 1.0)
    mixed = timed(found, "map of a population", lambda: completeness.sky_map(one, pieces, given.nside, theta_e=weights))
    first = one.isel(theta_e=[0])
    timed(found, "map of one radius", lambda: completeness.sky_map(first, pieces, given.nside))
    timed(found, f"maps of {len(radii)} radii", lambda: completeness.sky_map(one, pieces, given.nside))
    print("| what | wall, s | processor, s |\n| --- | --- | --- |")
    for name, (wall, processor) in found.items():
        print(f"| {name} | {wall:.1f} | {processor:.1f} |")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{mixed.sizes['cells']:,} pixels of nside {given.nside}; most memory {most:.1f} GB")


def timed(found: dict, name: str, call):
    """What a call gives; its wall and processor time are noted."""
    wall, processor = time.perf_counter(), time.process_time()
    out = call()
    found[name] = time.perf_counter() - wall, time.process_time() - processor
    return out


if __name__ == "__main__":
    main()
