"""What a fourth band costs: time of the processor with g, r, i, z over that with g, r, z, in turns in one run.

    python benchmarks/bands.py [--count 192] [--side 1200] [--stamps 200] [--turns 11]

Of rendering (101 px with a PSF in each band), of injections into hosts with their shot noise, of cutouts of a brick.
Limit: 1.35 times in render and cutouts. Four bands are 4/3 of the pixels; what does not depend on bands (rays, the mask
plane, headers) is the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from cutouts import SIZE, manifest, write_brick

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests" / "support")]
import four_bands  # noqa: E402
import injection_hosts as fixture  # noqa: E402

from lenscal import cutouts, injections, schema  # noqa: E402
from lenscal.config import Cutouts  # noqa: E402
from lenscal.injections import priors  # noqa: E402
from lenscal.injections.bands import in_bands  # noqa: E402
from lenscal.injections.rendering import render  # noqa: E402
from lenscal.io.survey import CoaddSurvey  # noqa: E402

FOUR = tuple(schema.OPTICAL)
LIMIT = 1.35


def ratio(three: Callable[[], object], four: Callable[[], object], turns: int) -> tuple[float, float, float]:
    """Median time of each act [s of the processor], and the median of four over three, turn by turn."""
    three(), four()
    times = np.empty((turns, 2))
    for turn in range(turns):
        for column, act in enumerate((three, four)) if turn % 2 else reversed([*enumerate((three, four))]):
            start = time.process_time()
            act()
            times[turn, column] = time.process_time() - start
    return *np.median(times, axis=0), float(np.median(times[:, 1] / times[:, 0]))


def rendered(count: int, turns: int) -> tuple[float, float, float]:
    """Images of lensed sources."""
    theta_e, ids = np.linspace(0.4, 3.1, count), np.arange(count)
    drawn = priors.accepted(theta_e, ids, fixture.settings(), 0)[0]
    tables = [pd.DataFrame(in_bands(drawn, bands)) for bands in (schema.BANDS, FOUR)]
    kernels = [four_bands.psf(bands, 61) for bands in (schema.BANDS, FOUR)]
    return ratio(*(lambda table=t, psf=k: render(table, psf) for t, k in zip(tables, kernels)), turns)


def injected(count: int, turns: int) -> tuple[float, float, float]:
    """Trials of a cell with their pixels."""
    settings = fixture.settings(trials=count // 3, keep_images=True)
    hosts = fixture.make_hosts(30)
    table = injections.assign_hosts(hosts, settings, 1)[0]
    cases = []
    for bands, pixels in ((schema.BANDS, hosts), (FOUR, four_bands.hosts(hosts))):
        block = injections.draw(1.2, 23.5, table, settings, 1, None, bands)
        cases.append(lambda block=block, pixels=pixels: injections.inject(block, pixels, settings, 1))
    return ratio(*cases, turns)


def cut(side: int, stamps: int, turns: int) -> dict[str, tuple[float, float, float]]:
    """Cutouts of a brick: all over it, and few."""
    with tempfile.TemporaryDirectory() as folder:
        wcs = write_brick(Path(folder), side, FOUR)
        x, y = np.random.default_rng(1).integers(60, side - 60, (2, stamps))
        rows = manifest(*wcs.wcs_pix2world(x, y, 0))
        found = {}
        for name, some in (("cutouts, dense", rows), ("cutouts, sparse", rows[: max(2, stamps // 25)])):
            acts = []
            for bands in (schema.BANDS, FOUR):
                survey = CoaddSurvey(folder, "benchmark", bands=bands)
                acts.append(
                    lambda some=some, survey=survey, bands=bands: cutouts.cut(
                        some, survey.read, Cutouts(size=SIZE), bands
                    )
                )
            found[name] = ratio(*acts, turns)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=192, help="images that are rendered")
    parser.add_argument("--side", type=int, default=1200, help="of the brick, pixels")
    parser.add_argument("--stamps", type=int, default=200, help="cutouts of it")
    parser.add_argument("--turns", type=int, default=11)
    asked = parser.parse_args()
    found = {
        "render 101 px, PSF": rendered(asked.count, asked.turns),
        "inject 64 px, shot noise": injected(asked.count, asked.turns),
        **cut(asked.side, asked.stamps, asked.turns),
    }
    print(f"{'':28}{'grz [s]':>10}{'griz [s]':>10}{'ratio':>8}")
    for name, (three, four, times) in found.items():
        print(f"{name:28}{three:10.3f}{four:10.3f}{times:8.3f}{'' if times <= LIMIT else f'  above {LIMIT}'}")


if __name__ == "__main__":
    main()
