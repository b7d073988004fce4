"""Convolution with a PSF, without aliasing and without wrap-around.

The light comes on cells half a pixel wide. Its transform is cut at the pixels' Nyquist frequency, multiplied by that of
the PSF, so that pixel values are those of the light convolved with the PSF at pixel
centres, for any PSF that pixels of this size can describe. Averaging the light to pixels first would fold in
frequencies above Nyquist.

Light that varies within a cell comes as points shared among cell centres by cubic B-splines: the spline's transform is
divided out, and what it lets through of frequencies above the cells' Nyquist is (f / (2 - f))^4 at f cycles per pixel.
"""

import numpy as np
import rocket_fft
from numba import njit
from scipy import fft

from lenscal.kernels import compiled  # noqa: F401  (before anything is compiled, see there)
from lenscal.kernels.fastmath import FLAGS

FINE = 2  # cells along a pixel
_FIRST, _SECOND = np.array([0]), np.array([1])


def padded_size(pixels, psf_pixels) -> int:
    """Side, in pixels, of the torus that holds light on `pixels` and a PSF without wrap-around;
    a product of 2, 3 and 5.
    """
    size = max(pixels + psf_pixels // 2, psf_pixels)
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1


def psf_transform(psf, size, includes_pixel=True) -> np.ndarray:
    """Transform of PSF images, with the half-cell shift and the inverse of the B-spline in it; for `convolve`.

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
    transform = fft.fft(fft.rfft(psf, size[1]), size[0], axis=-2)  # rows beyond the PSF's are dark
    for axis, f in ((0, np.fft.fftfreq(size[0])), (1, np.fft.rfftfreq(size[1]))):
        # Back to the middle pixel, which rfft2 has half a PSF away from the corner, and by the cells' own shift.
        shift = psf.shape[axis - 2] // 2 + (FINE - 1) / (2 * FINE)
        factor = np.exp(2j * np.pi * f * shift) / np.sinc(f / FINE) ** 4
        if not includes_pixel:
            factor = factor * np.sinc(f)
        transform *= factor[:, None] if axis == 0 else factor
    return (transform / (size[0] * size[1])).astype(np.complex64)


def work_space(size) -> tuple[np.ndarray, ...]:
    """Scratch of one thread for a torus of a size (y, x)."""
    rows, columns, half = FINE * size[0], FINE * size[1], size[1] // 2 + 1
    return (
        np.zeros(
            (rows, columns), np.float32
        ),  # what `spectrum` leaves out, the light's rim and all beyond it, stays dark
        np.zeros((rows, columns // 2 + 1), np.complex64),
        np.empty((rows, half), np.complex64),
        np.empty((size[0], half), np.complex64),
        np.empty((size[0], size[1]), np.float32),
    )


@njit(nogil=True, forceinline=True)
def spectrum(grid, points, work) -> None:
    """Transform of light on cells, into work[2]: as many rows as cells, of which `convolve` takes the low frequencies.

    `grid` (y, x) holds flux at cell centres; `points`, wider by PAD on each side, flux already shared by cubic
    B-splines. Both are brought to one footing by spreading the grid, too.
    """
    padded, rows, columns = work[0], work[1], work[2]
    height, width = grid.shape
    pad = (points.shape[0] - height) // 2
    line = np.empty(width, np.float32)
    for i in range(height):
        _spread_row(
            grid[max(i - 1, 0)],
            grid[i],
            grid[min(i + 1, height - 1)],
            points[i + pad, pad : pad + width],
            line,
            padded[i],
        )
    rocket_fft.r2c(padded[:height], rows[:height], _SECOND, True, 1.0, 1)
    rocket_fft.c2c(rows[:, : columns.shape[1]], columns, _FIRST, True, 1.0, 1)


@njit(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _spread_row(below, row, above, points, line, out):
    """A row of points, and the rows of cells about it spread by cubic B-splines."""
    centre, side = np.float32(2 / 3), np.float32(1 / 6)
    width = np.uint64(row.size)
    for j in range(width):
        line[j] = centre * row[j] + side * (below[j] + above[j])
    for j in range(np.uint64(1), width - np.uint64(1)):
        out[j] = points[j] + centre * line[j] + side * (line[j - np.uint64(1)] + line[j + np.uint64(1)])


@njit(nogil=True, forceinline=True)
def convolve(transform, scale, margin, work, out) -> None:
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
