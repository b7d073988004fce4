"""Light of a lensed source in every cell of a grid, by a quadtree in single precision.

A cell whose flux can change across it by less than a tolerance is sampled at its centre; one whose flux can change a
little more, by the four nodes of a Gauss rule; any other is split in four. How far a source radius can move within a
cell follows from the lens map, whose stretch for an isothermal lens is at most max(1, 2 kappa - 1) + |gamma|.
"""

import math

import numpy as np

from lenscal.kernels.compiled import inner
from lenscal.kernels.fastmath import FLAGS, select

from .brightness import brightness, radius_of_change, radius_of_light
from .rays import _stretch, rays
from .spreading import NODE, bilinear, deposit, share_out, share_out_nodes

_f4 = np.float32
COARSEST = 4  # side of the first cells, in cells of the grid
LEVELS = 11  # the last is COARSEST / 2**(LEVELS - 1) of a cell of the grid
CAPACITY = 1 << 17  # cells of one level, at least
KEEP, GAUSS = 7e-5, 4e-3  # change across a cell, in units of the source's flux
SOFT_CORE = 1.5  # radius of the soft core along the minor axis, in units of the smallest cell
STAMP_LEVELS = 5  # of a stamp: down to a quarter of a cell of the grid
STAMP_REACH = 0.75  # pixels of a stamp that half the diagonal of a cell may span

SOURCE_FIELDS = ("n", "r_e", "source_q", "source_phi", "source_x", "source_y")


@inner(error_model="numpy", forceinline=True)
def _first_cells(height, width, left, bottom, cell, x, y, place):
    """Centres of the coarsest cells of a grid, and where each lies in it."""
    count = 0
    for i in range(0, height, COARSEST):
        for j in range(0, width, COARSEST):
            x[count] = _f4(left + (j + 0.5 * COARSEST) * cell)
            y[count] = _f4(bottom + (i + 0.5 * COARSEST) * cell)
            place[count] = i * width + j
            count += 1
    return count


@inner(error_model="numpy", forceinline=True)
def _push_children(count, x, y, place, quarter, side, width, out_x, out_y, out_place):
    step = side // 2  # 0 once the children lie within one cell of the grid
    out_x[count] = x - quarter
    out_y[count] = y - quarter
    out_place[count] = place
    out_x[count + 1] = x + quarter
    out_y[count + 1] = y - quarter
    out_place[count + 1] = place + step
    out_x[count + 2] = x - quarter
    out_y[count + 2] = y + quarter
    out_place[count + 2] = place + step * width
    out_x[count + 3] = x + quarter
    out_y[count + 3] = y + quarter
    out_place[count + 3] = place + step * width + step
    return count + 4


def work_space(sides) -> tuple[np.ndarray, np.ndarray]:
    """Scratch of one thread for a grid of a shape: positions, values and places of two generations of cells.

    It holds CAPACITY cells of one level, or four times the first ones of a large grid.
    """
    capacity = max(CAPACITY, 4 * math.prod(-(-side // COARSEST) for side in sides))
    return np.empty((8, capacity), np.float32), np.empty((3, capacity), np.int32)


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def add_sersic(grid, points, smooth, origin, lens, source, light, share, tolerance, reals, places, samples) -> None:
    """Add a lensed Sersic source to a grid of cells.

    Parameters
    ----------
    grid : (height, width) float32 array
        Flux per cell; both sides multiples of COARSEST.
    points : (height + 2 PAD, width + 2 PAD) float32 array
        Takes the samples smaller than a cell when `smooth`, each shared among the 16 cell centres around it by cubic
        B-splines: what `convolution.spectrum` expects. Otherwise these samples go to the cell they lie in.
    smooth : bool
        See `points`.
    origin : tuple of float
        Left and bottom of the grid, and the side of its cells, arcsec.
    lens : tuple
        From `pack_lens`.
    source, light : (6,) and (4,) float64 arrays
        As in SOURCE_FIELDS; and b_n, I(R = 0) per arcsec^2, radius (R_e) and height of the soft core.
    share : float
        Flux of the source.
    tolerance : float
        Factor on KEEP and GAUSS; 1 for images.
    reals, places
        From `work_space`.
    samples : (2,) int64 array
        Counts up the number of samples; [1] becomes 1 when a level held too many cells, and the grid is wrong.
    """
    height, width = grid.shape
    flat = grid.reshape(height * width)
    left, bottom, cell = origin
    n, r_e, q, phi, source_x, source_y = source[0], source[1], source[2], source[3], source[4], source[5]
    b, central, core, bump = light[0], light[1], light[2], light[3]
    at_r_e = central * math.exp(-b)
    core2 = core * core
    c, s = math.cos(phi), math.sin(phi)
    major, minor = math.sqrt(q) / r_e, 1 / (math.sqrt(q) * r_e)
    m11, m12, m21, m22 = _f4(major * c), _f4(major * s), _f4(-minor * s), _f4(minor * c)
    sx, sy = _f4(source_x), _f4(source_y)
    profile = _f4(b * 1.4426950408889634), _f4(0.5 / n), _f4(core2), _f4(1 / core2), _f4(bump)
    value, margin, node_x, node_y = reals[4], reals[5], reals[6], reals[7]
    node_place = places[2]
    count = _first_cells(height, width, left, bottom, cell, reals[0], reals[1], places[0])
    size, side = COARSEST * cell, COARSEST
    shear = float(lens[10])
    steep = _f4(1.5) + lens[10]
    for level in range(LEVELS):
        old, new = 2 * (level % 2), 2 - 2 * (level % 2)
        x, y, place = reals[old], reals[old + 1], places[level % 2]
        next_x, next_y, next_place = reals[new], reals[new + 1], places[1 - level % 2]
        flux = share * at_r_e * size * size
        reach = 0.70711 * size * minor
        size4, norm, reach4 = _f4(size), _f4(flux), _f4(reach)
        span = 2 * reach * (1 + shear)
        keep = _f4(radius_of_change(flux, span, KEEP * tolerance, b, n, core2, bump))
        gauss = _f4(radius_of_change(flux, span, GAUSS * tolerance, b, n, core2, bump))
        # The span holds for kappa < 1.25. Nearer to the lens all light that a cell can hold counts as change.
        wider = max(
            _f4(radius_of_light(flux, KEEP * tolerance, b, n, core2, bump)) - keep,
            _f4(radius_of_light(flux, GAUSS * tolerance, b, n, core2, bump)) - gauss,
        )
        for k in range(np.uint64(count)):
            beta_x, beta_y, psi, kept = rays(x[k], y[k], lens)
            dx, dy = beta_x - sx, beta_y - sy
            u = m11 * dx + m12 * dy
            v = m21 * dx + m22 * dy
            r2 = u * u + v * v
            value[k] = kept * norm * brightness(r2, profile)
            stretch = _stretch(psi, size4, lens)
            margin[k] = math.sqrt(r2) - reach4 * stretch - select(stretch > steep, wider, _f4(0.0))
        samples[0] += count
        if side > 1:
            gauss = _f4(np.inf)
        if level == LEVELS - 1:
            gauss = _f4(-np.inf)
        nodes = children = leaves = 0
        quarter, offset = _f4(0.25 * size), _f4(NODE * size)
        for k in range(count):
            m = margin[k]
            if m >= keep:
                if side >= 1:
                    deposit(flat, place[k], side, width, value[k])
                else:  # leaves are packed at the front, over cells already dealt with
                    x[leaves], y[leaves], place[leaves], value[leaves] = x[k], y[k], place[k], value[k]
                    leaves += 1
            elif m >= gauss:
                if nodes + 4 > node_x.size:
                    samples[1] = 1
                    return
                nodes = _push_children(nodes, x[k], y[k], place[k], offset, 0, width, node_x, node_y, node_place)
            else:
                if children + 4 > next_x.size:
                    samples[1] = 1
                    return
                children = _push_children(
                    children, x[k], y[k], place[k], quarter, side, width, next_x, next_y, next_place
                )
        share_out(flat, points, smooth, x, y, place, value, leaves, left, bottom, cell)
        quarter_norm = _f4(0.25 * flux)
        for k in range(np.uint64(nodes)):
            beta_x, beta_y, psi, kept = rays(node_x[k], node_y[k], lens)
            dx, dy = beta_x - sx, beta_y - sy
            u = m11 * dx + m12 * dy
            v = m21 * dx + m22 * dy
            value[k] = kept * quarter_norm * brightness(u * u + v * v, profile)
        share_out_nodes(flat, points, smooth, side == 1, node_x, node_y, node_place, value, nodes, left, bottom, cell)
        samples[0] += nodes
        count = children
        if count == 0:
            return
        size *= 0.5
        side //= 2


@inner(fastmath=FLAGS, error_model="numpy", forceinline=True)
def add_stamp(
    grid, points, smooth, origin, lens, stamp, place_on_sky, share, tolerance, reals, places, samples
) -> None:
    """Add a lensed image to a grid of cells: bilinear between the image's pixels, dark outside of them.

    Arguments as in `add_sersic`, but for

    stamp : (y, x) float32 array
        Sum 1.
    place_on_sky : float64 array
        Position of the stamp's centre in the source plane (x, y, arcsec), angle of its x axis from +x, arcsec per
        pixel, and the centre itself (x, y, in pixels of the stamp); further numbers are not read.
    tolerance : float
        Its root is a factor on STAMP_REACH; 1 for images.
    """
    height, width = grid.shape
    flat = grid.reshape(height * width)
    left, bottom, cell = origin
    source_x, source_y, angle, scale = place_on_sky[0], place_on_sky[1], place_on_sky[2], place_on_sky[3]
    c, s = _f4(math.cos(angle) / scale), _f4(math.sin(angle) / scale)
    sx, sy = _f4(source_x), _f4(source_y)
    centre_x, centre_y = _f4(place_on_sky[4]), _f4(place_on_sky[5])
    n_y, n_x = stamp.shape
    limit = _f4(STAMP_REACH * math.sqrt(tolerance))
    half_x, half_y = _f4(0.5 * (n_x - 1)), _f4(0.5 * (n_y - 1))
    value, u, v, margin = reals[4], reals[5], reals[6], reals[7]
    count = _first_cells(height, width, left, bottom, cell, reals[0], reals[1], places[0])
    size, side = COARSEST * cell, COARSEST
    for level in range(STAMP_LEVELS):
        old, new = 2 * (level % 2), 2 - 2 * (level % 2)
        x, y, place = reals[old], reals[old + 1], places[level % 2]
        next_x, next_y, next_place = reals[new], reals[new + 1], places[1 - level % 2]
        size4, reach, quarter = _f4(size), _f4(0.70711 * size / scale), _f4(0.25 * size)
        for k in range(np.uint64(count)):
            beta_x, beta_y, psi, kept = rays(x[k], y[k], lens)
            dx, dy = beta_x - sx, beta_y - sy
            u[k] = centre_x + c * dx + s * dy
            v[k] = centre_y + c * dy - s * dx
            margin[k] = reach * _stretch(psi, size4, lens)
            value[k] = kept
        samples[0] += count
        area = _f4(share * (size / scale) ** 2)
        leaves = children = 0
        for k in range(count):
            outside = max(abs(u[k] - half_x) - half_x, abs(v[k] - half_y) - half_y) - _f4(1.0)
            if outside > margin[k]:
                continue
            if side <= 1 and (margin[k] < limit or level == STAMP_LEVELS - 1):
                light = bilinear(stamp, u[k], v[k]) * value[k] * area
                x[leaves], y[leaves], place[leaves], value[leaves] = x[k], y[k], place[k], light
                leaves += 1
            else:
                if children + 4 > next_x.size:
                    samples[1] = 1
                    return
                children = _push_children(
                    children, x[k], y[k], place[k], quarter, side, width, next_x, next_y, next_place
                )
        share_out(flat, points, smooth, x, y, place, value, leaves, left, bottom, cell)
        count = children
        size *= 0.5
        side //= 2
