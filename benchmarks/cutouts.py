"""Speed of cutouts and of their quality, beside a bare section read of the same pixels in the same run
(seconds of the processor).

    python benchmarks/cutouts.py [--side 1800] [--stamps 400] [--quality 1000]

Limits: cutouts from a cached brick >= 300 /s/core and never slower than twice a bare section read; quality of 20,000
cutouts <= 60 s, which the same source mask by photutils (tests/support/segmentation.py) would not reach.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import dask
import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from lenscal import cutouts, quality, schema
from lenscal.config import Cutouts, Quality
from lenscal.io.survey import CoaddSurvey
from lenscal.kernels import pixels

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))
import segmentation

NAME, SIZE = "1500p020", 101


def planes(bands: Sequence[str] = schema.BANDS) -> list[tuple[str, str]]:
    """Product and band of the planes that a cutout is read from."""
    return [(product, band) for band in bands for product in ("image", "invvar", "nexp")] + [("maskbits", "")]


def write_brick(root: Path, side: int, bands: Sequence[str] = schema.BANDS) -> WCS:
    """A brick of noise, compressed as the coadds are (tiles of 100, RICE, quantised)."""
    scale = schema.PIXEL_SCALE / 3600
    cards = fits.Header(
        [
            ("CTYPE1", "RA---TAN"),
            ("CTYPE2", "DEC--TAN"),
            ("CRVAL1", 150.0),
            ("CRVAL2", 2.0),
            ("CRPIX1", (side + 1) / 2),
            ("CRPIX2", (side + 1) / 2),
            ("CD1_1", -scale),
            ("CD1_2", 0.0),
            ("CD2_1", 0.0),
            ("CD2_2", scale),
        ]
    )
    rng = np.random.default_rng(0)
    folder = root / "south" / "coadd" / NAME[:3] / NAME
    folder.mkdir(parents=True)
    for product, band in [*planes(bands), *(("psfsize", band) for band in bands)]:
        if product == "image":
            data = rng.normal(0, 0.003, (side, side)).astype("f4")
        elif product in ("invvar", "psfsize"):
            data = (
                np.ones((side, side)) * (1.3 if product == "psfsize" else 1e5) + rng.normal(0, 0.01, (side, side))
            ).astype("f4")
        else:
            data = np.full((side, side), 3 if product == "nexp" else 0, "i2")
        hdu = fits.CompImageHDU(data, cards, compression_type="RICE_1", tile_shape=(100, 100))
        path = folder / f"legacysurvey-{NAME}-{product}{'-' if band else ''}{band}.fits.fz"
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    Table({"BRICKNAME": [NAME], "RA": [150.0], "DEC": [2.0]}).write(root / "survey-bricks.fits.gz")
    return WCS(cards)


def manifest(ra: np.ndarray, dec: np.ndarray) -> pd.DataFrame:
    rows = pd.DataFrame({"galaxy_id": np.arange(len(ra)), "ra": ra, "dec": dec, "brickname": NAME})
    columns = {
        name: "" if v.dtype == "str" else np.zeros(len(ra), v.dtype)
        for name, v in (schema.MANIFEST.variables | schema.GALAXY_COORDS).items()
        if name not in rows
    }
    return rows.assign(**columns)


def clock(work, *arguments) -> float:
    """Seconds of the processor, all threads, of the faster of two calls: the machine may be busy with other things."""
    times = []
    for _ in range(2):
        start = time.process_time()
        work(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def bare(survey: CoaddSurvey, boxes: np.ndarray) -> None:
    """Sections of the planes of each stamp, and nothing else."""
    brick = survey.brick(NAME)
    for product, band in planes():
        with fits.open(brick.path(product, band)) as hdus:
            for y, x in boxes:
                hdus[1].section[y : y + SIZE, x : x + SIZE]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=1800, help="of the brick, pixels (3600 in DR10)")
    parser.add_argument("--stamps", type=int, default=400, help="cutouts of the dense and the cached reading")
    parser.add_argument("--quality", type=int, default=1000, help="cutouts whose quality is measured")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wcs = write_brick(Path(folder), asked.side)
        survey = CoaddSurvey(folder, "benchmark")
        rng = np.random.default_rng(1)
        x, y = rng.integers(60, asked.side - 60, (2, asked.stamps))
        rows = manifest(*wcs.wcs_pix2world(x, y, 0))
        few = max(2, int(0.05 * asked.side**2 / SIZE**2))  # sparse enough to be read stamp by stamp
        boxes = np.stack([y, x], axis=1) - SIZE // 2
        survey.read(rows[:2], SIZE)
        times = {
            "bare section read": clock(bare, survey, boxes[:few]) / few,
            "read, sparse brick": clock(survey.read, rows[:few], SIZE) / few,
            "read, dense brick": clock(survey.read, rows, SIZE) / len(rows),
        }
        kept = survey.brick(NAME, keep=True)
        kept.read(rows.ra.to_numpy(), rows.dec.to_numpy(), SIZE)
        times["read, cached brick"] = clock(kept.read, rows.ra.to_numpy(), rows.dec.to_numpy(), SIZE) / len(rows)
        times["cut, dense brick"] = clock(cutouts.cut, rows, survey.read, Cutouts(size=SIZE)) / len(rows)
        print(f"{'':24}{'ms each':>9}{'per s and core':>16}{'times bare':>12}")
        for name, seconds in times.items():
            print(f"{name:24}{1e3 * seconds:9.2f}{1 / seconds:16.0f}{seconds / times['bare section read']:12.2f}")
        data = cutouts.cut(rows, survey.read, Cutouts(size=SIZE))
    data = data.isel(galaxy=np.arange(asked.quality) % len(rows)).chunk(galaxy=64)
    stars = pd.DataFrame(
        {"ra": rng.uniform(149, 151, 1000), "dec": rng.uniform(1, 3, 1000), "gaia_phot_g_mean_mag": 14.0}
    )
    measured = quality.measure(data, stars, Quality())
    few = np.ascontiguousarray(data["image"].values[:40].reshape(-1, SIZE, SIZE))
    sky = pixels.ring(SIZE, 33, 48)
    pixels.sources(few[:1], sky)
    ours = clock(pixels.sources, few, sky) / len(few)
    theirs = clock(lambda: [segmentation.source_mask(image, sky) for image in few]) / len(few)
    print(
        f"source mask of a band: {1e3 * ours:.2f} ms, photutils {1e3 * theirs:.2f} ms ({theirs / ours:.0f} times; "
        f"{theirs * 60_000 / 2:.0f} s for 20,000 cutouts on 2 cores)"
    )
    cores = len(os.sched_getaffinity(0))
    with dask.config.set(scheduler="threads", num_workers=cores):
        seconds = clock(measured.compute) / asked.quality / cores
    print(f"quality, {cores} cores: {1e3 * seconds:.2f} ms each, {20_000 * seconds:.0f} s for 20,000 cutouts")


if __name__ == "__main__":
    main()
