"""Stamps of lenses drawn by one process, for tests: host, arc, correlated noise; and the faults
that realism must notice.
"""

import numpy as np
import pandas as pd
import xarray as xr
from scipy import ndimage

import lenscal
from lenscal import realism, schema
from lenscal.kernels import light, noise, shot

SIZE = 63
SIGMA = np.array([0.006, 0.010, 0.025])
GAIN = np.array([15e3, 20e3, 20e3])
SMOOTHING = np.array([0.1, 0.78, 0.1])  # correlates the noise of neighbours
CORRELATION = 1 / (SMOOTHING**2).sum() ** 2
RESAMPLING = np.pad(np.outer(SMOOTHING, SMOOTHING), noise.REACH - 1).astype(np.float32) / np.float32(
    SMOOTHING.sum() ** 2
)
WHITE = noise.resampling_kernels(noise.WHITE)
PSFSIZE, BETA = 1.3, 2.5


def parameters(n, rng, colour=(0.2, 0.1)):
    """n lenses whose arcs have r from 21.5 to 23.3 before lensing."""
    theta_e, angle = rng.uniform(1.0, 2.0, n), rng.uniform(0, 2 * np.pi, n)
    offset = theta_e * np.sqrt(rng.uniform(0.01, 0.2, n))
    mag_r = rng.uniform(21.5, 23.3, n)
    return pd.DataFrame(
        {
            "theta_e": theta_e,
            "q": rng.uniform(0.6, 1, n),
            "phi": rng.uniform(0, np.pi, n),
            "gamma1": rng.normal(0, 0.04, n),
            "gamma2": rng.normal(0, 0.04, n),
            "lens_x": 0.0,
            "lens_y": 0.0,
            "n": rng.uniform(0.8, 1.5, n),
            "r_e": rng.uniform(0.15, 0.35, n),
            "source_q": rng.uniform(0.5, 1, n),
            "source_phi": rng.uniform(0, np.pi, n),
            "source_x": offset * np.cos(angle),
            "source_y": offset * np.sin(angle),
            "mag_g": mag_r + rng.normal(colour[0], 0.2, n),
            "mag_r": mag_r,
            "mag_z": mag_r - rng.normal(colour[1], 0.2, n),
        }
    )


def moffat(fwhm=None):
    core = float(light.moffat_fwhm(PSFSIZE, BETA)) if fwhm is None else fwhm
    image = light.moffat(core, BETA, 41, schema.PIXEL_SCALE)
    return np.stack([image] * 3)


def gaussian(fwhm):
    r = np.arange(41) - 20.0
    image = np.exp(-4 * np.log(2) * (r[:, None] ** 2 + r**2) * schema.PIXEL_SCALE**2 / fwhm**2)
    return np.stack([image / image.sum()] * 3)


def hosts(n, rng):
    """Elliptical galaxies of exponential light in a Moffat's blur, red, with correlated sky
    noise: (n, 3, SIZE, SIZE).
    """
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    out = np.empty((n, 3, SIZE, SIZE), np.float32)
    for i in range(n):
        q, phi, size = rng.uniform(0.6, 1), rng.uniform(0, np.pi), rng.uniform(2.0, 3.5)
        u, v = np.cos(phi) * x + np.sin(phi) * y, np.cos(phi) * y - np.sin(phi) * x
        shape = np.exp(-np.sqrt(q * u**2 + v**2 / q + 2.0) / size)
        flux = rng.uniform(10, 25) * np.array([0.25, 1.0, 2.2])
        for b in range(3):
            white = ndimage.convolve1d(
                ndimage.convolve1d(rng.standard_normal((SIZE, SIZE)), SMOOTHING, 0), SMOOTHING, 1
            )
            out[i, b] = flux[b] * shape / shape.sum() + SIGMA[b] * white * np.sqrt(CORRELATION)
    return out


def arcs(table, rng, psf=None, gain=GAIN, brightness=1.0, resampling=RESAMPLING):
    """Lensed images with their shot noise, resampled as the sky's, (n, 3, SIZE, SIZE)."""
    image = moffat() if psf is None else psf
    kernel = xr.DataArray(image, dims=("band", "psf_y", "psf_x"), attrs={"includes_pixel": True})
    clean = lenscal.render(table, kernel, shape=(SIZE, SIZE)).values * np.reshape(brightness, (-1, 1, 1, 1))
    n = len(clean)
    dark, noisy = np.zeros((1, *clean.shape[1:]), np.float32), np.empty(clean.shape, np.float32)
    keys = rng.integers(0, 2**64, clean.shape[:2], dtype=np.uint64)
    kernels = np.tile(resampling, (1, 3, 1, 1))
    shot.put_into(
        dark,
        np.zeros(n, np.int64),
        clean.astype(np.float32),
        np.tile(np.asarray(gain, float), (n, 1)),
        keys,
        kernels,
        np.arange(n),
        noisy,
    )
    return noisy


def sample(images, before, settings, first=0):
    """Measured images, one object each."""
    n = len(images)
    found = realism.pixels(images, np.tile(SIGMA, (n, 1)), np.full((n, 3), CORRELATION), before, settings)
    return realism.Sample(np.arange(first, first + n), found)


def draw(n, seed, settings, first=0, **changes):
    """Images of lenses, and their hosts before; `changes` go to `parameters` (colour) and `arcs`."""
    rng = np.random.default_rng(seed)
    colour = {k: changes.pop(k) for k in ("colour",) if k in changes}
    bare = hosts(n, rng)
    images = bare + arcs(parameters(n, rng, **colour), rng, **changes)
    return sample(images, images if first == 0 else bare, settings, first)


def draw_hosts(n, seed, settings, first=0):
    """The hosts of `draw` alone."""
    bare = hosts(n, np.random.default_rng(seed))
    return sample(bare, bare, settings, first)
