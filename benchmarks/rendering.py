"""Speed and accuracy of the injection engine, against lenstronomy and against its slow twin, in one run.

    python benchmarks/rendering.py [--count 400] [--accuracy 200] [--peers]

Speeds are per core: one thread, CPU time of the process, best of three. Accuracy is the largest difference from adaptive
cubature over seeded parameter sets as hard as those of the tests; 200 of them take about half an hour.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests"), str(Path(__file__).resolve().parents[1] / "tests" / "kernels")]
import cubature  # noqa: E402
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


def speed(count):
    table, kernel = tables(count), psf()
    rows = []
    for name, options in (
        ("render 101 px, PSF", {"psf": kernel, "shape": (101, 101)}),
        ("render 65 px, PSF", {"psf": kernel, "shape": (65, 65)}),
        ("render 101 px, no PSF", {"psf": None, "shape": (101, 101)}),
    ):
        rows.append((name, count / best(lambda options=options: render(table, **options))))
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


def lenstronomy_speed(count):
    """Images a second of lenstronomy's ImageModel at 4 x 4 subpixels, its rays shared by the bands."""
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel
    from scipy.signal import fftconvolve

    table, kernel, size, fine = tables(count), psf().values, 101, 4
    axis = (np.arange(fine * size) - (fine * size - 1) / 2) * schema.PIXEL_SCALE / fine
    x, y = (a.ravel() for a in np.meshgrid(axis, axis))
    model, sersic = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])

    def act():
        for row in table.itertuples():
            e, es = (1 - row.q) / (1 + row.q), (1 - row.source_q) / (1 + row.source_q)
            bx, by = model.ray_shooting(
                x, y, [{"theta_E": row.theta_e, "e1": e * np.cos(2 * row.phi), "e2": e * np.sin(2 * row.phi), "center_x": row.lens_x,
                        "center_y": row.lens_y}, {"gamma1": row.gamma1, "gamma2": row.gamma2}],
            )  # fmt: skip
            image = sersic.surface_brightness(
                bx, by, [{"amp": 1, "R_sersic": row.r_e, "n_sersic": row.n, "e1": es * np.cos(2 * row.source_phi),
                          "e2": es * np.sin(2 * row.source_phi), "center_x": row.source_x, "center_y": row.source_y}],
            )  # fmt: skip
            image = image.reshape(size, fine, size, fine).mean((1, 3))
            for band in kernel:
                fftconvolve(image, band, mode="same")

    return count / best(act, 1)


def accuracy(count):
    """Largest relative error of flux, and of pixels over the peak, without and with PSF, and the sets where they are."""
    lens, source = hard.parameters(count, seed=11)
    size, kernel = 101, light.moffat(light.moffat_fwhm(0.9, 2.5), 2.5, 61, schema.PIXEL_SCALE)
    bare, _ = hard.pixels(lens, source, size)
    seen = hard.convolved(lens, source, kernel, size)
    errors = np.zeros((count, 3))
    inner = slice(3, -3)
    for i in range(count):
        cells, points = cubature.light(lens[i], source[i], size + 6, tolerance=3e-7)
        flux, image = cubature.pixel_fluxes(cells)[inner, inner], cubature.convolve(points, kernel)[inner, inner]
        errors[i] = (
            abs(bare[i].sum(dtype=float) / flux.sum() - 1),
            np.abs(bare[i] - flux).max() / flux.max(),
            np.abs(seen[i] - image).max() / image.max(),
        )
        print(f"\r{i + 1} of {count}: worst so far {errors[: i + 1].max(0)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    for name, column in zip(("flux inside the stamp", "pixel over peak, no PSF", "pixel over peak, PSF"), errors.T):
        k = int(column.argmax())
        print(f"{name:28s} median {np.median(column):.1e}  worst {column[k]:.1e} in set {k}: lens {lens[k].round(3)} source {source[k].round(3)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--accuracy", type=int, default=0, metavar="SETS")
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    rows = speed(options.count)
    for name, value in rows:
        print(f"{name:44s} {value:8.0f} /s/core")
    print(f"{'two threads over one':44s} {scaling(options.count):8.2f} x")
    if options.peers:
        theirs = lenstronomy_speed(max(options.count // 40, 4))
        print(f"{'lenstronomy, rays shared, 4 x 4 subpixels':44s} {theirs:8.1f} /s/core, {rows[0][1] / theirs:.0f} times slower")
    if options.accuracy:
        accuracy(options.accuracy)


if __name__ == "__main__":
    main()
