"""Speed and accuracy of the injection engine, against other renderers and against its slow twin, in one run.

    python benchmarks/rendering.py [--count 400] [--quick] [--threads] [--peers] [--accuracy]

Speeds are per core: one thread, CPU time of the process, best of three. Accuracy is the largest difference from
adaptive cubature over the 200 parameter sets of record (tests/support/rendering_reference.py).
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

CALL = 64  # images of a call, as a stage asks for them
ROWS, MIDDLE = 24, 61  # rows and pixels at which peers are held against cubature
LIMIT, SHARE = 2e-3, 0.95  # of the peak, the engine's promise; share of the rows that is to keep it
SUBPIXELS = (4, 6, 8, 12, 16, 24, 32)  # along a pixel
PAIRS = 9  # runs of one and of two threads
TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS / "support")]
import cubature  # noqa: E402
import hard_lenses as hard  # noqa: E402
import injection_hosts as fixture  # noqa: E402
import peers  # noqa: E402
import rendering_reference  # noqa: E402

from lenscal import injections, schema  # noqa: E402
from lenscal.injections import priors  # noqa: E402
from lenscal.injections.rendering import render  # noqa: E402
from lenscal.kernels import light, rays, sampling  # noqa: E402


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
            chosen = fixture.settings(size=size, trials=count // 3, source=source, keep_images=True)
            cell, _ = injections.assign_hosts(hosts, chosen, 1)
            drawn = injections.draw(1.2, 23.5, cell, chosen, 1, stamps)
            if size == 64:
                seconds = best(
                    lambda chosen=chosen, cell=cell, stamps=stamps: injections.draw(1.2, 23.5, cell, chosen, 1, stamps),
                    1,
                )
                rows.append(
                    (
                        f"draw, {source} ({float(drawn['proposals'].mean()):.1f} proposals each)",
                        drawn["q"].size / seconds,
                    )
                )
            for noise in (False, True):
                some = chosen.model_copy(update={"shot_noise": noise})
                seconds = best(
                    lambda some=some, drawn=drawn, stamps=stamps: injections.inject(drawn, hosts, some, 1, stamps)
                )
                rows.append((f"inject {size} px, {source}{', shot noise' if noise else ''}", drawn["q"].size / seconds))
            measured = chosen.model_copy(update={"keep_images": False})
            seconds = best(
                lambda measured=measured, drawn=drawn, stamps=stamps: injections.inject(
                    drawn, hosts, measured, 1, stamps
                )
            )
            rows.append((f"inject {size} px, {source}, no pixels wanted", drawn["q"].size / seconds))
    return rows


def scaling(count):
    """Speed of two threads over that of one, wall time: the median of pairs of runs, one after the other."""
    table, kernel = tables(count), psf()
    calls = [table.iloc[start : start + CALL] for start in range(0, count, CALL)]
    halves = [table.iloc[::2], table.iloc[1::2]]
    hosts, chosen = fixture.make_hosts(30), fixture.settings(size=101, trials=count // 6, keep_images=True)
    cell, _ = injections.assign_hosts(hosts, chosen, 1)
    blocks = [injections.draw(1.2, 23.5, cell, chosen, seed) for seed in (1, 2)]
    quiet = chosen.model_copy(update={"shot_noise": False})
    works = {
        f"render, {CALL} images a call": (lambda part: render(part, kernel), calls),
        f"render, {count // 2} images a call": (lambda part: render(part, kernel), halves),
        "inject 101 px": (lambda block: injections.inject(block, hosts, quiet, 1), blocks),
        "inject 101 px, shot noise": (lambda block: injections.inject(block, hosts, chosen, 1), blocks),
        "images 101 px, shot noise": (lambda block: injections.images(block, hosts, chosen, 1), blocks),
    }

    def wall(act):
        start = time.perf_counter()
        act()
        return time.perf_counter() - start

    rows = []
    with ThreadPoolExecutor(2) as pool:
        for name, (act, parts) in works.items():
            pairs = [
                (
                    wall(lambda act=act, parts=parts: [act(part) for part in parts]),
                    wall(lambda act=act, parts=parts: list(pool.map(act, parts))),
                )
                for _ in range(PAIRS)
            ]
            ratios = sorted(one / two for one, two in pairs[1:])
            rows.append((name, float(np.median(ratios)), ratios[0], ratios[-1]))
    return rows


def truth(table, kernel):
    """What adaptive cubature gives for rows of unit flux, on the middle of the stamp; (row, band, y, x)."""
    out = []
    for row in table.itertuples():
        lens, source = ([getattr(row, name) for name in names] for names in (rays.LENS_FIELDS, sampling.SOURCE_FIELDS))
        _, points = cubature.light(lens, source, MIDDLE + 6, tolerance=rendering_reference.TOLERANCE)
        out.append([cubature.convolve(points, band)[3:-3, 3:-3] for band in kernel])
    return np.array(out)


def compare(count, ours):
    """Speed of the peers that are installed on the same rows, PSF and machine, and how far their
    pixels are from cubature's.

    First at 4 x 4 subpixels, then at the fewest at which SHARE of the rows are within LIMIT of their peak, the engine's
    own limit.
    """
    kernel = psf()
    np.ones(
        30 << 17
    )  # freed at once: from now on malloc keeps what is smaller, which the peers' temporaries are (twice as fast here)
    present, missing = peers.found(kernel.values)
    print(f"peers found: {', '.join(present) or 'none'}; not installed: {', '.join(missing) or 'none'}")
    table = tables(ROWS)
    rows, want = list(table.itertuples()), truth(table, kernel.values)
    edge = slice((peers.SIZE - MIDDLE) // 2, (peers.SIZE + MIDDLE) // 2)

    def errors(images):
        fluxes = 10 ** (-0.4 * (table[[f"mag_{band}" for band in schema.BANDS]].to_numpy() - schema.ZEROPOINT))
        unit = np.array(images)[:, :, edge, edge] / fluxes[:, :, None, None]
        return (np.abs(unit - want).max((2, 3)) / want.max((2, 3))).max(1)

    def told(name, error, speed):
        within = (
            f"{(error <= LIMIT).sum()} of {ROWS} rows within {100 * LIMIT:g} % of peak, worst {100 * error.max():.2f} %"
        )
        print(f"{name:44s} {speed:8.1f} /s/core, {ours / speed:7.1f} times slower; {within}", flush=True)

    told("lenscal", errors(render(table, kernel).values), ours)
    for name in present:
        for fine, way in ((4, "pixels"), *((fine, "cells") for fine in SUBPIXELS)):
            peer = peers.MAKERS[name](kernel.values, fine, way)
            error = errors([peer.image(row) for row in rows])
            some = rows[:: max(1, ROWS // max(2, count * 16 // fine**2))]
            speed = len(some) / best(lambda peer=peer, some=some: [peer.image(row) for row in some])
            told(f"{peer.name}, {fine} x {fine}, {way}", error, speed)
            if way == "cells" and (error <= LIMIT).mean() >= SHARE:
                break


def accuracy():
    """Worst errors over the 200 sets of record, against the slow twin's kept numbers, and the sets where they are."""
    with np.load(rendering_reference.FILE) as file:
        record = {name: file[name] for name in file.files}
    errors = hard.errors_of(record)
    for name, column in zip(("flux inside the stamp", "pixel over peak, no PSF", "pixel over peak, PSF"), errors.T):
        k = int(column.argmax())
        lens, source = record["lens"][k].round(3).tolist(), record["source"][k].round(3).tolist()
        print(
            f"{name:28s} median {np.median(column):.1e}  worst {column[k]:.1e} in set {k}: lens {lens} source {source}"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--threads", action="store_true", help="two threads beside one; needs two idle cores")
    parser.add_argument("--quick", action="store_true", help="render only, no injections")
    options = parser.parse_args()
    rows = speed(options.count, options.quick)
    for name, value in rows:
        print(f"{name:44s} {value:8.0f} /s/core")
    if options.threads:
        for name, middle, low, high in scaling(options.count):
            print(f"{'two threads over one: ' + name:44s} {middle:8.2f} x ({low:.2f} to {high:.2f})")
    if options.peers:
        compare(max(options.count // 20, 4), rows[0][1])
    if options.accuracy:
        accuracy()


if __name__ == "__main__":
    main()
