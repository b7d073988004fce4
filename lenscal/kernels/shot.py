"""Arcs with their shot noise put into their hosts, on plain arrays: electrons are drawn pixel by pixel and
resampled as the coadd was.
"""

import numpy as np

from lenscal.kernels.compiled import inner, kept
from lenscal.kernels.draws import GOLDEN, mix
from lenscal.kernels.fastmath import FLAGS
from lenscal.kernels.noise import REACH, TAPS
from lenscal.kernels.poisson import poisson

ELECTRONS_MIN = 1.0  # expected in a pixel, below which no shot noise is drawn: sky pixels hold thousands
ELECTRONS_MAX = 1e18  # above which it is less than the last digit of a pixel
_LANES = 16  # pixels that the machine works on at once: rows are brought to whole multiples


@inner(error_model="numpy")
def _draw(image, gain, key, deviation, lit):
    """Electrons less their mean, in nanomaggy, of the pixels within the rim of `deviation`; `lit` takes the ends of
    the rows and columns drawn.
    """
    n_y, n_x = deviation.shape[0] - 2 * REACH, deviation.shape[1] - 2 * REACH - _LANES
    lit[0], lit[1], lit[2], lit[3] = n_y, 0, n_x, 0
    dim = np.float32(0.999 * ELECTRONS_MIN / gain)
    for y in range(n_y):
        count = 0
        for x in range(np.uint64(n_x)):
            count += image[y, x] > dim
        if count == 0:
            continue
        for x in range(n_x):
            expected = image[y, x] * gain
            if ELECTRONS_MIN <= expected <= ELECTRONS_MAX:
                own = mix(key + GOLDEN * np.uint64(y * n_x + x + 1))
                deviation[y + REACH, x + REACH] = (poisson(expected, own) - expected) / gain
                lit[0], lit[1] = min(lit[0], y), y + 1
                lit[2], lit[3] = min(lit[2], x), max(lit[3], x + 1)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _spread(deviation, kernel, pixels, first_y, last_y, first_x, last_x, line):
    """Add to rows and columns of pixels the deviations convolved with a symmetric kernel."""
    width = np.uint64(last_x - first_x)
    whole = np.uint64((last_x - first_x + _LANES - 1) // _LANES * _LANES)
    for y in range(first_y, last_y):
        for x in range(whole):
            line[x] = np.float32(0)
        for j in range(TAPS):
            near, taps = deviation[y + j, first_x:], kernel[j]
            for x in range(whole):
                total = line[x]
                for i in range(np.uint64(TAPS)):
                    total += taps[i] * near[x + i]
                line[x] = total
        out = pixels[y, first_x:]
        for x in range(width):
            out[x] += line[x]


@kept(error_model="numpy")
def _put_into(hosts, which, arcs, gain, keys, kernels, rows, deviation, line, lit, out):
    n_y, n_x = out.shape[2], out.shape[3]
    for i in range(len(which)):
        host, row = which[i], rows[i]
        for band in range(out.shape[1]):
            pixels = out[row, band]
            for y in range(n_y):
                for x in range(n_x):
                    pixels[y, x] = hosts[host, band, y, x] + arcs[i, band, y, x]
            if not np.isfinite(gain[i, band]):
                continue
            _draw(arcs[i, band], gain[i, band], keys[i, band], deviation, lit)
            if lit[1] == 0:
                continue
            first_y, last_y = max(lit[0] - REACH, 0), min(lit[1] + REACH, n_y)
            first_x, last_x = max(lit[2] - REACH, 0), min(lit[3] + REACH, n_x)
            _spread(deviation, kernels[host, band], pixels, first_y, last_y, first_x, last_x, line)
            deviation[lit[0] + REACH : lit[1] + REACH, lit[2] + REACH : lit[3] + REACH] = 0


def put_into(hosts, which, arcs, gain, keys, kernels, rows, out) -> None:
    """Write hosts with their arcs and the Poisson noise of the arcs' own light, resampled as the coadd was.

    N ~ Poisson(f G) electrons are drawn for the flux f of each pixel, and their deviations N / G - f convolved with the
    kernel. Over an area much larger than the kernel the variance is that of the electrons, f / G; that of a pixel is f
    / (G A), as the resampling that lowered the sky's to sigma^2 = S / (G A) did.

    Noise falls within REACH of pixels where ELECTRONS_MIN to ELECTRONS_MAX electrons of the arc are expected; all
    others are host plus arc, bit for bit. What lies outside of the image makes no noise inside.

    Parameters
    ----------
    hosts : (host, band, y, x) float32 array
        Nanomaggy.
    which : (arc,) int64 array
        The host of each arc.
    arcs : (arc, band, y, x) float32 array
        Noise-free, nanomaggy per pixel; may have more rows and columns than `out`, which are left out.
    gain : (arc, band) float64 array
        Electrons per nanomaggy before resampling (`noise.gain`); infinite for no noise.
    keys : (arc, band) uint64 array
        The noise of a pixel depends on its key, its place, its mean and nothing else.
    kernels : (host, band, TAPS, TAPS) float32 array
        From `noise.resampling_kernels`.
    rows : (arc,) int64 array
        Where to write in `out`.
    out : (row, band, y, x) float32 array
    """
    n_y, n_x = out.shape[2:]
    deviation, line = (
        np.zeros((n_y + 2 * REACH, n_x + 2 * REACH + _LANES), np.float32),
        np.empty(n_x + _LANES, np.float32),
    )
    _put_into(hosts, which, arcs, gain, keys, kernels, rows, deviation, line, np.zeros(4, np.int64), out)
