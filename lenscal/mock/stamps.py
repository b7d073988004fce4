"""A deep field of the embedded sky: galaxies as a space telescope would see them, in the files of the COSMOS stamps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter

from lenscal.kernels import draws
from lenscal.mock import files, raytracing

COUNT = 24
SIDE, SCALE = 121, 0.03  # pixels, arcsec per pixel
BLUR = 0.1 / 2.3548 / SCALE  # sigma of a PSF of 0.1 arcsec, in pixels
ZEROPOINT = 25.937  # of the stamps' counts
SIGMA = 0.0021  # noise of a pixel, in counts


def draw(seed: int) -> tuple[bytes, bytes]:
    """The stamps (FITS, one HDU ``GAL_<IDENT>`` each, gzipped) and their catalogue (CSV), of discs with arms and knots.

    The light is of the kind that the true lenses of this sky magnify, with parameters of its own.
    """
    axis = (np.arange(SIDE) - (SIDE - 1) / 2) * SCALE
    x, y = np.meshgrid(axis, axis)
    planes, rows = [], []
    for number in range(COUNT):
        rng = draws.generator(seed, "mock-stamp", number)
        source = {
            "r_e": float(rng.uniform(0.18, 0.38)),
            "n": float(rng.uniform(0.8, 1.5)),
            "q": float(rng.uniform(0.45, 1.0)),
            "phi": float(rng.uniform(0, np.pi)),
            "arms": float(rng.uniform(0.0, 0.7)),
            "knots": int(rng.integers(2, 7)),
            "knot_seed": int(rng.integers(2**31)),
        }
        mag, gr, rz = (
            float(rng.uniform(22.5, 24.5)),
            0.2 + 0.2 * float(rng.standard_normal()),
            0.1 + 0.15 * float(rng.standard_normal()),
        )
        light = gaussian_filter(raytracing.source_light(x, y, source), BLUR)
        counts = 10 ** (0.4 * (ZEROPOINT - mag)) * light / light.sum()
        image = (counts + SIGMA * rng.standard_normal((SIDE, SIDE))).astype(np.float32)
        planes.append((f"GAL_{number}", image))
        rows.append(
            {
                "IDENT": number,
                "RA": np.nan,
                "DEC": np.nan,
                "MAG": mag,
                "BAND": "MOCK-F814W",
                "PIXEL_SCALE": SCALE,
                "NOISE_MEAN": 0.0,
                "NOISE_VARIANCE": SIGMA**2,
                "stamp_flux": float(counts.sum()),
                "flux_radius": source["r_e"] / SCALE,
                "HSC_g": mag + rz + gr,
                "HSC_r": mag + rz,
                "HSC_i": mag + rz / 2,
                "HSC_z": mag,
                "HSC_y": mag,
                "ZPHOT": float(rng.uniform(0.8, 2.5)),
            }
        )
    return files.zipped(files.plain(planes)), pd.DataFrame(rows).to_csv(index=False, lineterminator="\n").encode()
