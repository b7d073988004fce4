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

from lenscal.kernels.compiled import inner, kept
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


def psf_factor(psf_shape, size, includes_pixel=True) -> np.ndarray:
    """What the transform of a PSF is multiplied by (y, x): the shift, and the inverse of the B-spline."""
    factors = []
    for axis, f in ((0, np.fft.fftfreq(size[0])), (1, np.fft.rfftfreq(size[1]))):
        # Back to the middle pixel, which rfft2 has half a PSF away from the corner, and by the cells' own shift.
        shift = psf_shape[axis - 2] // 2 + (FINE - 1) / (2 * FINE)
        factor = np.exp(2j * np.pi * f * shift) / np.sinc(f / FINE) ** 4 / size[axis]
        factors.append(factor if includes_pixel else factor * np.sinc(f))
    return np.outer(*factors).astype(np.complex64)


def psf_space(psf_shape, size) -> np.ndarray:
    """Scratch of one thread for `transform_psf`: rows of a PSF, dark beyond it."""
    return np.zeros((psf_shape[-2], size[1]), np.float32)


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
    psf = np.asarray(psf, np.float32)
    factor, padded = psf_factor(psf.shape, size, includes_pixel), psf_space(psf.shape, size)
    out = np.empty((*psf.shape[:-2], size[0], size[1] // 2 + 1), np.complex64)
    _transform_each(
        np.ascontiguousarray(psf).reshape(-1, *psf.shape[-2:]), factor, padded, out.reshape(-1, *out.shape[-2:])
    )
    return out


@inner(forceinline=True)
def transform_psf(psf, factor, padded, out) -> None:
    """Transform of one PSF image (y, x) into `out`; see `psf_transform`."""
    height, width = psf.shape
    for y in range(height):  # by loops: numba takes seconds to compile an assignment to a slice
        for x in range(width):
            padded[y, x] = psf[y, x]
    rocket_fft.r2c(padded, out[:height], _SECOND, True, 1.0, 1)  # rows beyond the PSF's are dark
    for y in range(height, out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = 0
    rocket_fft.c2c(out, out, _FIRST, True, 1.0, 1)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] *= factor[y, x]


@kept()
def _transform_each(psf, factor, padded, out):
    for i in range(psf.shape[0]):
        transform_psf(psf[i], factor, padded, out[i])


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


@inner(forceinline=True)
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


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _spread_row(below, row, above, points, line, out):
    """A row of points, and the rows of cells about it spread by cubic B-splines."""
    centre, side = np.float32(2 / 3), np.float32(1 / 6)
    width = np.uint64(row.size)
    for j in range(width):
        line[j] = centre * row[j] + side * (below[j] + above[j])
    for j in range(np.uint64(1), width - np.uint64(1)):
        out[j] = points[j] + centre * line[j] + side * (line[j - np.uint64(1)] + line[j + np.uint64(1)])


@inner(forceinline=True)
def convolve(transform, scale, margin, work, out) -> None:
    """Write to `out` (y, x) the light of the last `spectrum`, times a scale, convolved with a PSF.

    `margin` is the number of pixels by which the light's first cell lies before the first pixel of `out`.
    """
    columns, product, image = work[2], work[3], work[4]
    size_y, half = product.shape
    low = (size_y + 1) // 2
    shift = columns.shape[0] - size_y
    for i in range(size_y):
        row = i if i < low else i + shift
        for j in range(half):
            product[i, j] = columns[row, j] * transform[i, j]
    rocket_fft.c2c(product, product, _FIRST, False, 1.0, 1)
    height, width = out.shape
    rocket_fft.c2r(product[margin : margin + height], image[:height], _SECOND, False, scale, 1)
    for y in range(height):
        for x in range(width):
            out[y, x] = image[y, margin + x]
