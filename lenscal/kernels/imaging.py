"""Images of many lensed sources: sampling, then one forward transform and one inverse for each band."""

import numpy as np

from lenscal.kernels import convolution, rays, sampling, spreading
from lenscal.kernels.compiled import inner, kept
from lenscal.kernels.convolution import FINE
from lenscal.kernels.fastmath import FLAGS

MARGIN = 3  # pixels around the stamp whose light is let scatter in


def geometry(shape, pixel_scale) -> tuple[tuple[int, int], tuple[float, float, float]]:
    """Shape of the grid of cells around a stamp of a shape (y, x), and its origin (left, bottom, cell), arcsec."""
    cell = pixel_scale / FINE
    sides = tuple(FINE * (n + 2 * MARGIN + n % 2) for n in shape)
    left, bottom = (-(n / 2 + MARGIN) * pixel_scale for n in (shape[1], shape[0]))
    return sides, (left, bottom, cell)


def smallest_cell(pixel_scale) -> float:
    """Side of the smallest cell of the quadtree, arcsec."""
    return pixel_scale / FINE * sampling.COARSEST / 2 ** (sampling.LEVELS - 1)


def torus(shape, psf_shape) -> tuple[int, int]:
    """Shape (y, x) in pixels of the torus on which a stamp and a PSF do not wrap around."""
    return tuple(convolution.padded_size(n + MARGIN + n % 2, m) for n, m in zip(shape, psf_shape))


@inner(error_model="numpy", forceinline=True)
def _sources(
    i, lens, first, sersic, light, stamp, place, share, stamps, inner, tolerance, origin, grid, points, smooth, work
):
    """Light of all components of injection i, on an empty grid; returns (samples, 1 when there were too many cells)."""
    reals, places, samples = work
    samples.fill(0)
    grid.fill(0)
    points.fill(0)
    for k in range(first[i], first[i + 1]):
        # What lies opposite to the source is told from the first component.
        packed = rays.pack_lens(lens[i], sersic[first[i], 4], sersic[first[i], 5], inner[i])
        if stamp[k] >= 0:
            image = stamps[stamp[k], : int(place[k, 7]), : int(place[k, 6])]
            sampling.add_stamp(
                grid, points, smooth, origin, packed, image, place[k], share[k], tolerance, reals, places, samples
            )
        else:
            sampling.add_sersic(
                grid, points, smooth, origin, packed, sersic[k], light[k], share[k], tolerance, reals, places, samples
            )
    return samples[0], samples[1]


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def _row_sum(row):
    """Sum of a short row, in as many partial sums as the machine adds at once."""
    total = np.float32(0)
    for k in range(np.uint64(row.size)):
        total += row[k]
    return total


@kept(error_model="numpy")
def pixels(
    lens,
    first,
    sersic,
    light,
    stamp,
    place,
    share,
    stamps,
    inner,
    tolerance,
    origin,
    grid,
    points,
    work,
    out,
    inside,
    full,
) -> None:
    """Pixel integrals of sources of unit flux, without PSF.

    Parameters
    ----------
    lens : (injection, 7) float64 array
        As in `sampling.LENS_FIELDS`.
    first : (injection + 1,) int64 array
        Components of injection i are rows first[i] to first[i + 1] of the next five.
    sersic, light, stamp, place, share
        `sampling.SOURCE_FIELDS`; `light` of `add_sersic`; index in `stamps` or -1; `place_on_sky` of `add_stamp`; flux.
    stamps : (stamp, y, x) float32 array
        Images of sources, each in the lower-left corner; its sides (x, y) are the last two numbers of `place`.
    inner : (injection,) bool array
        False suppresses inner images (see `sampling.pack_lens`).
    tolerance : float
        See `sampling.add_sersic`.
    origin, grid, points, work
        From `geometry`; the grid of cells and its points; from `work_space`.
    out : (injection, y, x) float32 array
        May have no pixel, when only the flux is wanted.
    inside : (injection,) float64 array
        Flux on the whole grid: takes the result.
    full : (injection,) int64 array
        1 where a level of the quadtree held too many cells.
    """
    for i in range(lens.shape[0]):
        _, full[i] = _sources(
            i,
            lens,
            first,
            sersic,
            light,
            stamp,
            place,
            share,
            stamps,
            inner,
            tolerance,
            origin,
            grid,
            points,
            False,
            work,
        )
        total = 0.0
        for row in range(grid.shape[0]):
            total += _row_sum(grid[row])
        inside[i] = total
        for row in range(out.shape[1]):
            for column in range(out.shape[2]):
                y, x = FINE * (row + MARGIN), FINE * (column + MARGIN)
                out[i, row, column] = grid[y, x] + grid[y, x + 1] + grid[y + 1, x] + grid[y + 1, x + 1]


@kept(error_model="numpy")
def convolved(
    lens,
    first,
    sersic,
    light,
    stamp,
    place,
    share,
    stamps,
    inner,
    tolerance,
    origin,
    grid,
    points,
    work,
    flux,
    psf,
    which,
    order,
    optics,
    fourier,
    out,
    inside,
    full,
) -> None:
    """Images convolved with the PSF of each band; arguments as in `pixels`, and

    flux : (injection, band) float64 array
        Of the unlensed source.
    psf : (psf, band, psf_y, psf_x) float32 array
        See `convolution.psf_transform`.
    which : (injection,) int64 array
        The PSF of each injection.
    order : (injection,) int64 array
        In which the images are made: a PSF that follows itself is transformed once.
    optics
        From `optics`.
    fourier
        From `convolution.work_space`.
    out : (injection, band, y, x) float32 array
    inside : (injection,) float64 array
        Takes the flux of a source of unit flux within the stamp, before the PSF.
    """
    pad, last = spreading.PAD, -1
    factor, padded, transforms = optics
    for i in order:
        _, full[i] = _sources(
            i,
            lens,
            first,
            sersic,
            light,
            stamp,
            place,
            share,
            stamps,
            inner,
            tolerance,
            origin,
            grid,
            points,
            True,
            work,
        )
        total = 0.0
        for row in range(FINE * MARGIN, FINE * (MARGIN + out.shape[2])):
            low, high = FINE * MARGIN, FINE * (MARGIN + out.shape[3])
            total += _row_sum(grid[row, low:high]) + _row_sum(points[row + pad, low + pad : high + pad])
        inside[i] = total
        if which[i] != last:
            last = which[i]
            for band in range(out.shape[1]):
                convolution.transform_psf(psf[last, band], factor, padded, transforms[band])
        convolution.spectrum(grid, points, fourier)
        for band in range(out.shape[1]):
            convolution.convolve(transforms[band], flux[i, band], MARGIN, fourier, out[i, band])


def work_space(sides) -> tuple:
    """Scratch of one thread: a grid of a shape, its points, and the work space of the quadtree."""
    padded = tuple(n + 2 * spreading.PAD for n in sides)
    reals, places = sampling.work_space(sides)
    return np.empty(sides, np.float32), np.empty(padded, np.float32), (reals, places, np.zeros(2, np.int64))


def optics(bands, psf_shape, size, includes_pixel) -> tuple:
    """What PSFs of one shape are transformed with, in one thread: a factor, rows, and room for a transform a band."""
    room = np.empty((bands, size[0], size[1] // 2 + 1), np.complex64)
    return (
        convolution.psf_factor(psf_shape, size, includes_pixel),
        convolution.psf_space(psf_shape, size),
        room,
    )
