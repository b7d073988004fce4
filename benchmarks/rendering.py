"""Speed and accuracy of the injection engine, against other renderers and against its slow twin, in one run.

    python benchmarks/rendering.py [--count 400] [--quick] [--peers] [--accuracy]

Speeds are per core: one thread, CPU time of the process, best of three. Accuracy is the largest difference from adaptive
cubature over the 200 parameter sets of record (tests/data/rendering_reference.py).
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "kernels"), str(TESTS / "data")]
import peers  # noqa: E402
import rendering_reference  # noqa: E402
import test_injections as fixture  # noqa: E402
import test_sampling as hard  # noqa: E402

from lenscal import injections, schema  # noqa: E402
from lenscal.injections import priors  # noqa: E402
from lenscal.injections.rendering import render  # noqa: E402
from lenscal.kernels import light  # noqa: E402


def best(act, repeat=3):
    """Shortest CPU time of an act, seconds, after one call to warm up."""
    act()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        act()
        times.append(time.process_time() - start)
    return min(times)


def psf(size=61):
    widths = light.moffat_fwhm(np.array([1.4, 1.3, 1.2]), 2.5)
    image = np.stack([light.moffat(width, 2.5, size, schema.PIXEL_SCALE) for width in widths])
    return xr.DataArray(image, dims=("band", "psf_y", "psf_x"), attrs={"includes_pixel": True})


def tables(count):
    """Parameters of accepted injections, theta_e over the whole grid."""
    settings = fixture.settings()
    theta_e, ids = np.linspace(0.4, 3.1, count), np.arange(count)
    drawn, _, _ = priors.accepted(theta_e, ids, settings, 0)
    return pd.DataFrame(drawn)


def speed(count, quick=False):
    table, kernel = tables(count), psf()
    rows = []
    for name, options in (
        ("render 101 px, PSF", {"psf": kernel, "shape": (101, 101)}),
        ("render 65 px, PSF", {"psf": kernel, "shape": (65, 65)}),
        ("render 101 px, no PSF", {"psf": None, "shape": (101, 101)}),
    ):
        rows.append((name, count / best(lambda options=options: render(table, **options))))
    if quick:
        return rows
    hosts = fixture.make_hosts(30)
    for size in (64, 101):
        for source in ("sersic", "clumpy", "stamps"):
            stamps = [fixture.galaxy_stamp()] if source == "stamps" else None
            chosen = fixture.settings(size=size, trials=count // 3, source=source)
            cell, _ = injections.assign_hosts(hosts, chosen, 1)
            drawn = injections.draw(1.2, 23.5, cell, chosen, 1, stamps)
            if size == 64:
                seconds = best(lambda chosen=chosen, cell=cell, stamps=stamps: injections.draw(1.2, 23.5, cell, chosen, 1, stamps), 1)
                rows.append((f"draw, {source} ({float(drawn['proposals'].mean()):.1f} proposals each)", drawn["q"].size / seconds))
            for noise in (False, True):
                some = chosen.model_copy(update={"shot_noise": noise})
                seconds = best(lambda some=some, drawn=drawn, stamps=stamps: injections.inject(drawn, hosts, some, 1, stamps))
                rows.append((f"inject {size} px, {source}{', shot noise' if noise else ''}", drawn["q"].size / seconds))
    return rows


def scaling(count):
    """Speed of two threads over that of one, wall time."""
    table, kernel = tables(count), psf()
    halves = table.iloc[::2], table.iloc[1::2]
    render(table, kernel)

    def wall(act):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            act()
            times.append(time.perf_counter() - start)
        return min(times)

    one = wall(lambda: [render(half, kernel) for half in halves])
    with ThreadPoolExecutor(2) as pool:
        two = wall(lambda: list(pool.map(lambda half: render(half, kernel), halves)))
    return one / two


def compare(count, ours):
    """Speed of the peers that are installed, on the same rows, PSF and machine, and how far their pixels are from the engine's."""
    kernel = psf()
    present, missing = peers.found(kernel.values)
    print(f"peers found: {', '.join(peer.name for peer in present) or 'none'}; not installed: {', '.join(missing) or 'none'}")
    table = tables(count)
    want = render(table, kernel).values
    for peer in present:
        rows = list(table.itertuples())
        worst = max(np.abs(peer.image(row) - image).max() / image.max() for row, image in zip(rows, want))
        speed = count / best(lambda peer=peer, rows=rows: [peer.image(row) for row in rows])
        print(f"{peer.name:44s} {speed:8.1f} /s/core, {ours / speed:.1f} times slower; pixels off by up to {100 * worst:.1f} % of peak")


def accuracy():
    """Worst errors over the 200 sets of record, against the slow twin's kept numbers, and the sets where they are."""
    with np.load(rendering_reference.FILE) as file:
        record = {name: file[name] for name in file.files}
    errors = hard.errors_of(record)
    for name, column in zip(("flux inside the stamp", "pixel over peak, no PSF", "pixel over peak, PSF"), errors.T):
        k = int(column.argmax())
        lens, source = record["lens"][k].round(3).tolist(), record["source"][k].round(3).tolist()
        print(f"{name:28s} median {np.median(column):.1e}  worst {column[k]:.1e} in set {k}: lens {lens} source {source}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--quick", action="store_true", help="render only, no injections")
    options = parser.parse_args()
    rows = speed(options.count, options.quick)
    for name, value in rows:
        print(f"{name:44s} {value:8.0f} /s/core")
    print(f"{'two threads over one':44s} {scaling(options.count):8.2f} x")
    if options.peers:
        compare(max(options.count // 20, 4), rows[0][1])
    if options.accuracy:
        accuracy()


if __name__ == "__main__":
    main()
