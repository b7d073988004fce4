"""Rendering, injecting and compiling beside an earlier commit, in turns (seconds of the processor, one thread).

    python benchmarks/against.py [--against 60ea248] [--rounds 5] [--only render inject ...]

The earlier commit is unpacked from this checkout's history; each round runs both, each in a process of its own. The
table has the medians over the rounds and the spread of the ratio. `first render` begins with no compiled kernel.

Targets, as times today's speed: a PSF to each injection 2.2, one PSF 1.25, injecting with a host to each trial 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from earlier import BEFORE, CHECKOUT, child, unpacked

COUNT, SIDE, PSF = 200, 101, 63
WORKS = {
    "render, a PSF to each injection": lambda: rendering(COUNT),
    "render, one PSF": lambda: rendering(None),
    "inject with shot noise, a host to each trial": lambda: injecting(),
}
FIRST = "first render, nothing compiled"


def table() -> pd.DataFrame:
    """Parameters of ordinary lenses."""
    rng = np.random.default_rng(7)
    rows = {
        "theta_e": rng.uniform(0.5, 3, COUNT),
        "q": rng.uniform(0.4, 0.98, COUNT),
        "phi": rng.uniform(0, np.pi, COUNT),
        "gamma1": rng.normal(0, 0.05, COUNT),
        "gamma2": rng.normal(0, 0.05, COUNT),
        "lens_x": rng.normal(0, 0.05, COUNT),
        "lens_y": rng.normal(0, 0.05, COUNT),
        "n": rng.uniform(0.7, 3, COUNT),
        "r_e": rng.uniform(0.1, 0.6, COUNT),
        "source_q": rng.uniform(0.3, 0.95, COUNT),
        "source_phi": rng.uniform(0, np.pi, COUNT),
        "source_x": rng.normal(0, 0.15, COUNT),
        "source_y": rng.normal(0, 0.15, COUNT),
    }
    return pd.DataFrame(rows).assign(mag_g=23.0, mag_r=22.5, mag_z=22.0)


def rendering(psfs: int | None):
    """An act that renders, with a PSF to each injection or one."""
    import xarray as xr

    import lenscal
    from lenscal import schema
    from lenscal.kernels import light

    width = light.moffat_fwhm(np.random.default_rng(3).uniform(1.0, 1.8, (psfs or 1, 3)), 2.5)
    image = np.stack([[light.moffat(w, 2.5, PSF, schema.PIXEL_SCALE) for w in row] for row in width])
    dims = ("injection", "band", "psf_y", "psf_x")
    psf = xr.DataArray(image, dims=dims, attrs={"includes_pixel": True})
    psf = psf if psfs else psf.isel(injection=0)
    rows = table()
    return lambda: lenscal.render(rows, psf=psf, shape=(SIDE, SIDE))


def injecting():
    """An act that makes the pixels of trials, each on a host of its own."""
    sys.path.insert(0, str(CHECKOUT / "tests" / "support"))
    import injection_hosts as made

    from lenscal import injections

    hosts = made.make_hosts(COUNT, 64 + 37)
    settings = made.settings(trials=COUNT, size=64, shot_noise=True)
    cell, _ = injections.assign_hosts(hosts, settings, 1)
    drawn = injections.draw(1.2, 23.5, cell, settings, 1).isel(theta_e=[1])
    return lambda: injections.images(drawn, hosts, settings, 1)


def measure(work: str) -> float:
    """Least seconds of the processor over five, after one to warm up."""
    if work == FIRST:
        start = time.process_time()
        rendering(None)()
        return time.process_time() - start
    act, spent = WORKS[work](), []
    act()
    for _ in range(5):
        start = time.process_time()
        act()
        spent.append(time.process_time() - start)
    return min(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", default=BEFORE, help="commit to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[""], help="works whose names begin so")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        print(json.dumps(measure(asked.child)))
        return
    works = [work for work in (*WORKS, FIRST) if work.startswith(tuple(asked.only))]
    with tempfile.TemporaryDirectory() as folder:
        sides = {asked.against: unpacked(asked.against, Path(folder) / "before"), "now": CHECKOUT}
        print(f"| work | {asked.against} [ms] | now [ms] | times as fast, median (least to most) |")
        print("| --- | --- | --- | --- |")
        for work in works:
            spent = {name: [] for name in sides}
            for number in range(asked.rounds):
                for name in list(sides)[:: 1 if number % 2 else -1]:
                    with tempfile.TemporaryDirectory() as cache:
                        fresh = {"NUMBA_CACHE_DIR": cache} if work == FIRST else {}
                        found = child(sides[name], __file__, "--child", work, **fresh)
                    spent[name].append(json.loads(found))
            before, now = (1e3 * np.array(times) for times in spent.values())
            ratio = before / now
            told = f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})"
            print(f"| {work} | {np.median(before):.1f} | {np.median(now):.1f} | {told} |", flush=True)


if __name__ == "__main__":
    main()
