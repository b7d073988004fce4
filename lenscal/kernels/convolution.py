"""Convolution with a PSF, without aliasing and without wrap-around.

The light comes on cells half a pixel wide. Its transform is cut at the pixels' Nyquist frequency, multiplied by that of
the PSF and divided by that of a cell, so that pixel values are those of the light convolved with the PSF at pixel
centres, for any PSF that pixels of this size can describe. Averaging the light to pixels first would fold in
frequencies above Nyquist.
"""

import numpy as np
import rocket_fft
from numba import njit
from scipy import fft

FINE = 2  # cells along a pixel
_FIRST, _SECOND = np.array([0]), np.array([1])


def padded_size(pixels, psf_pixels):
    """Side, in pixels, of the torus on which light on `pixels` and a PSF do not wrap around; a product of 2, 3 and 5."""
    size = pixels + psf_pixels // 2
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def psf_transform(psf, size, includes_pixel=True):
    """Transform of PSF images, with the half-cell shift and the cell's own transform in it; for `convolve`.

    Parameters
    ----------
    psf : (..., psf_y, psf_x) array
        Sum 1; odd sides, centred on the middle pixel.
    size : tuple of int
        Sides of the torus, in pixels.
    includes_pixel : bool
        True for an effective PSF. False for an optical one: the pixel is then put in.

    Returns
    -------
    (..., size_y, size_x // 2 + 1) complex64 array
    """
    psf = np.asarray(psf, float)
    padded = np.zeros((*psf.shape[:-2], *size))
    padded[..., : psf.shape[-2], : psf.shape[-1]] = psf
    half = psf.shape[-2] // 2, psf.shape[-1] // 2
    transform = fft.rfft2(np.roll(padded, (-half[0], -half[1]), (-2, -1)))
    for axis, f in ((0, np.fft.fftfreq(size[0])), (1, np.fft.rfftfreq(size[1]))):
        factor = np.exp(2j * np.pi * f * (FINE - 1) / (2 * FINE)) / np.sinc(f / FINE)
        if not includes_pixel:
            factor = factor * np.sinc(f)
        transform *= factor[:, None] if axis == 0 else factor
    return (transform / (size[0] * size[1])).astype(np.complex64)


def work_space(size):
    """Scratch of one thread for a torus of a size (y, x)."""
    rows, columns, half = FINE * size[0], FINE * size[1], size[1] // 2 + 1
    return (
        np.empty((rows, columns), np.float32),
        np.empty((rows, columns // 2 + 1), np.complex64),
        np.empty((rows, half), np.complex64),
        np.empty((size[0], half), np.complex64),
        np.empty((size[0], size[1]), np.float32),
    )


@njit(nogil=True, cache=True)
def spectrum(light, work):
    """Transform of light on cells up to the pixels' Nyquist frequency, into work[2]: rows of cells, of which
    `convolve` takes the low ones."""
    padded, rows, columns = work[0], work[1], work[2]
    height, width = light.shape
    padded[:height, :width] = light
    padded[:height, width:] = 0
    rocket_fft.r2c(padded[:height], rows[:height], _SECOND, True, 1.0, 1)
    columns[:height] = rows[:height, : columns.shape[1]]
    columns[height:] = 0
    rocket_fft.c2c(columns, columns, _FIRST, True, 1.0, 1)


@njit(nogil=True, cache=True)
def convolve(transform, scale, margin, work, out):
    """Write to `out` (y, x) the light of the last `spectrum`, times a scale, convolved with a PSF.

    `margin` is the number of pixels by which the light's first cell lies before the first pixel of `out`.
    """
    columns, product, image = work[2], work[3], work[4]
    size_y, half = product.shape
    low = (size_y + 1) // 2
    shift = columns.shape[0] - size_y
    factor = np.float32(scale)
    for i in range(size_y):
        row = i if i < low else i + shift
        for j in range(half):
            product[i, j] = columns[row, j] * transform[i, j] * factor
    rocket_fft.c2c(product, product, _FIRST, False, 1.0, 1)
    height, width = out.shape
    rocket_fft.c2r(product[margin : margin + height], image[:height], _SECOND, False, 1.0, 1)
    out[:] = image[:height, margin : margin + width]
