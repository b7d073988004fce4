"""Speed of the realism estimator: images measured per second of processor time, beside slow twins of its two halves.

    python benchmarks/realism.py [--images 200]

The twin of the host model takes the same quartiles with NumPy's percentiles, bin by bin and stretch by stretch; that of
the texture filters every band by every Gabor function in SciPy's direct convolution. Limit: a tenth of a second for an
image, all measures.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))


def slow_host_model(image: np.ndarray, sigma: float, q: float, phi: float) -> np.ndarray:
    """Quartiles along ellipses, with NumPy, a bin at a time."""
    y, x = np.indices(image.shape) - (image.shape[0] - 1) / 2
    u, v = np.cos(phi) * x + np.sin(phi) * y, np.cos(phi) * y - np.sin(phi) * x
    radius = np.sqrt(q * u**2 + v**2 / q)
    bins = [(radius >= k) & (radius < k + 1) for k in range(image.shape[0] // 2 + 1)]
    at = np.array([np.median(radius[inside]) for inside in bins])
    level = np.array([np.median(image[inside]) for inside in bins])
    left = image - np.interp(radius, at, level)
    level += np.array([np.percentile(left[inside], 25) for inside in bins]) + 0.6745 * sigma
    return np.interp(radius, at, level)


def slow_gabor(image: np.ndarray) -> list[float]:
    """Energies by direct convolution."""
    out = []
    for sigma in (1.5, 2.5, 4.0):
        r = np.arange(-int(3 * sigma), int(3 * sigma) + 1)
        for angle in np.pi * np.arange(6) / 6:
            phase = 2 * np.pi / (4 * sigma) * (np.cos(angle) * r[None, :] + np.sin(angle) * r[:, None])
            shape = np.exp(-0.5 * (r[:, None] ** 2 + r**2) / sigma**2)
            parts = [ndimage.convolve(image, shape * wave(phase)) for wave in (np.cos, np.sin)]
            out.append(float((parts[0] ** 2 + parts[1] ** 2).mean()))
    return out


def timed(call, times: int) -> float:
    """Processor seconds of one call, the best of three rounds."""
    best = np.inf
    for _ in range(3):
        started = time.process_time()
        for _ in range(times):
            call()
        best = min(best, (time.process_time() - started) / times)
    return best


def main() -> None:
    import lenses

    from lenscal import config, realism
    from lenscal.kernels import features, hosts

    options = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    options.add_argument("--images", type=int, default=200)
    count = options.parse_args().images
    rng = np.random.default_rng(1)
    images = lenses.hosts(count, rng) + lenses.arcs(lenses.parameters(count, rng), rng)
    sigma, correlation = np.tile(lenses.SIGMA, (count, 1)), np.full((count, 3), lenses.CORRELATION)
    settings = config.Realism()
    realism.pixels(images[:2], sigma[:2], correlation[:2], images[:2], settings)  # compiled
    whole = timed(lambda: realism.pixels(images, sigma, correlation, images, settings), 1) / count
    model = timed(lambda: hosts.host_models(images, sigma, 2), 1) / count
    few = images[:8, 0].astype(float)
    slow_model = (
        timed(lambda: [slow_host_model(image, 0.006, 0.8, 0.5) for image in few], 1) / 8 * (3 + len(hosts.STRETCHES))
    )
    window = images[:, :, 11:52, 11:52] / sigma[:, :, None, None]
    texture = timed(lambda: features.texture(window), 1) / count
    slow_texture = timed(lambda: [slow_gabor(image) for image in window[0].astype(float)], 1)
    print(f"all measures of an image: {1e3 * whole:.1f} ms, {1 / whole:.0f} images/s/core (limit 10)")
    print(f"host model:               {1e3 * model:.1f} ms, {slow_model / model:.0f}x the NumPy twin")
    print(f"texture:                  {1e3 * texture:.1f} ms, {slow_texture / texture:.0f}x direct convolution")
    if whole > 0.1:
        sys.exit("slower than the limit")


if __name__ == "__main__":
    main()
