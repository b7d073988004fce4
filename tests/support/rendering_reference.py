"""Makes rendering_reference.npz: what adaptive cubature gives for the 200 parameter sets of record.

    python tests/support/rendering_reference.py        # about half an hour of one core

Images are kept in units of their peak / 30000 as 16-bit integers: rounded by less than 2e-5 of the peak, a hundredth of
what is tested. The slow twin (tests/support/cubature.py) shares no code with the engine; sets and twin are recomputed,
a few each time, by `test_sampling.py`.
"""

import sys

import cubature
import numpy as np
from places import TESTS

FILE = TESTS / "data" / "rendering_reference.npz"
COUNT, SEED, SIZE, TOLERANCE, UNIT = 200, 11, 61, 3e-7, 30000


def truth(lens, source, psf):
    """Flux of each pixel, and pixels convolved with the PSF, of a source of unit flux; (y, x) each."""
    cells, points = cubature.light(lens, source, SIZE + 6, tolerance=TOLERANCE)
    inner = slice(3, -3)
    return cubature.pixel_fluxes(cells)[inner, inner], cubature.convolve(points, psf)[inner, inner]


def main():
    import hard_lenses

    lens, source = hard_lenses.parameters(COUNT, SEED)
    images = np.zeros((2, COUNT, SIZE, SIZE), np.int16)
    peaks, flux = np.zeros((2, COUNT)), np.zeros(COUNT)
    for i in range(COUNT):
        pair = truth(lens[i], source[i], hard_lenses.record_psf())
        flux[i] = pair[0].sum()
        for kind, image in enumerate(pair):
            peaks[kind, i] = image.max()
            images[kind, i] = np.rint(image / image.max() * UNIT)
        print(f"\r{i + 1} of {COUNT}", end="", file=sys.stderr, flush=True)
    np.savez_compressed(FILE, lens=lens, source=source, flux=flux, peaks=peaks, images=images)


if __name__ == "__main__":
    main()
