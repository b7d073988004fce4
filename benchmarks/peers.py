"""Other renderers at the engine's own work: three bands of 101 x 101 pixels of a lensed Sersic
source, convolved with a PSF.

Each takes its fastest idiomatic setting on one core: rays and surface brightness shared by the bands, one forward
transform and one inverse for each band. None is needed to run lenscal: `pip install caustics jaxtronomy lenstronomy`
beside it to have them measured. Subpixels on a fixed grid are all that they offer, so each is made for a number of them
along a pixel (`fine`) and for one of two ways to lay the PSF on:

pixels
    Subpixels averaged to pixels, as they do. The PSF of the benchmark holds the pixel, which is then in it twice, and
    what varies faster than pixels is folded in: no number of subpixels helps.
cells
    Subpixels averaged to cells half a pixel wide, the transform cut at the pixels' Nyquist frequency, the cell divided
    out: the engine's way, lent to them so that only their sampling is left to judge.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft

from lenscal import schema
from lenscal.kernels import convolution, light

SIZE = 101
WAYS = {"pixels": 1, "cells": convolution.FINE}  # cells along a pixel


class Peer:
    """One renderer: `image(row)` gives (band, y, x), nanomaggy."""

    def __init__(self, name: str, image: Callable) -> None:
        self.name, self.image = name, image


class Frame:
    """Subpixels to cells, and cells to pixels under a PSF, in the arrays of any library."""

    def __init__(self, kernel: np.ndarray, fine: int, way: str) -> None:
        self.cells, self.fine = WAYS[way], fine
        self.side = fft.next_fast_len(SIZE + kernel.shape[1] // 2, real=True)
        if self.cells == 1:
            padded = np.zeros((len(kernel), self.side, self.side))
            padded[:, : kernel.shape[1], : kernel.shape[2]] = kernel
            self.transform = fft.rfft2(np.roll(padded, (-(kernel.shape[1] // 2), -(kernel.shape[2] // 2)), (1, 2)))
        else:
            # The engine's has a B-spline of order 4 divided out, a cell is one of order 1.
            spline = [np.sinc(f(self.side) / self.cells) ** 3 for f in (np.fft.fftfreq, np.fft.rfftfreq)]
            self.transform = (
                convolution.psf_transform(kernel, (self.side, self.side)) * np.outer(*spline) * self.side**2
            )
        self.low = np.fft.fftfreq(self.side, 1 / self.side).astype(int)

    def axis(self) -> np.ndarray:
        return (np.arange(self.fine * SIZE) - (self.fine * SIZE - 1) / 2) * schema.PIXEL_SCALE / self.fine

    def averaged(self, fine):
        n, each = self.cells * SIZE, self.fine // self.cells
        return fine.reshape(n, each, n, each).mean((1, 3))

    def seen(self, library, plane, transform, fluxes):
        spectrum = library.rfft2(plane, (self.cells * self.side,) * 2)
        if self.cells > 1:
            spectrum = spectrum[self.low][:, : self.side // 2 + 1]
        product = spectrum * transform * (fluxes / self.cells**2)[:, None, None]
        return library.irfft2(product, (self.side, self.side))[:, :SIZE, :SIZE]


def _fluxes(row) -> np.ndarray:
    return 10 ** (-0.4 * (np.array([row.mag_g, row.mag_r, row.mag_z]) - schema.ZEROPOINT)) * schema.PIXEL_SCALE**2


def _linear_b(n: float) -> float:
    return 1.9992 * n - 0.3271  # of lenstronomy and jaxtronomy


def _kwargs(row) -> tuple[list, list]:
    """Keyword arguments of lenstronomy and jaxtronomy; the radius makes their linear fit of b_n draw our profile."""
    e, es = (1 - row.q) / (1 + row.q), (1 - row.source_q) / (1 + row.source_q)
    b, fit = float(light.sersic_b(row.n)), _linear_b(row.n)
    lens = [
        {
            "theta_E": row.theta_e,
            "e1": e * np.cos(2 * row.phi),
            "e2": e * np.sin(2 * row.phi),
            "center_x": row.lens_x,
            "center_y": row.lens_y,
        },
        {"gamma1": row.gamma1, "gamma2": row.gamma2, "ra_0": 0.0, "dec_0": 0.0},
    ]
    source = {
        "amp": float(light.sersic_central(row.n, row.r_e)) * np.exp(-fit),
        "R_sersic": row.r_e * (fit / b) ** row.n,
        "n_sersic": row.n,
        "e1": es * np.cos(2 * row.source_phi),
        "e2": es * np.sin(2 * row.source_phi),
        "center_x": row.source_x,
        "center_y": row.source_y,
    }
    return lens, [source]


def lenstronomy(kernel: np.ndarray, fine: int, way: str) -> Peer:
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    model, sersic = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])
    frame = Frame(kernel, fine, way)
    # In strips of as many rays as 4 x 4 subpixels make, so that the temporaries stay in the cache.
    strips = list(
        zip(*(np.array_split(a.ravel(), max(1, fine**2 // 16)) for a in np.meshgrid(frame.axis(), frame.axis())))
    )

    def image(row):
        lens, source = _kwargs(row)
        light_ = np.concatenate([sersic.surface_brightness(*model.ray_shooting(x, y, lens), source) for x, y in strips])
        return frame.seen(fft, frame.averaged(light_), frame.transform, _fluxes(row))

    return Peer("lenstronomy, rays shared", image)


def jaxtronomy(kernel: np.ndarray, fine: int, way: str) -> Peer:
    import jax
    from jax import numpy as jnp
    from jaxtronomy.LensModel.lens_model import LensModel
    from jaxtronomy.LightModel.light_model import LightModel

    model, sersic = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])
    frame = Frame(kernel, fine, way)
    x, y = (jnp.asarray(a.ravel()) for a in np.meshgrid(frame.axis(), frame.axis()))
    transform = jnp.asarray(frame.transform)

    def one(lens, source, fluxes):
        light_ = sersic.surface_brightness(*model.ray_shooting(x, y, lens), source)
        return frame.seen(jnp.fft, frame.averaged(light_), transform, fluxes)

    many = jax.jit(jax.vmap(one))

    def image(row):
        stacked = jax.tree.map(lambda value: jnp.asarray([value]), (*_kwargs(row), _fluxes(row)))
        return np.asarray(many(*stacked))[0]

    return Peer("jaxtronomy, jit and vmap", image)


def caustics(kernel: np.ndarray, fine: int, way: str) -> Peer:
    import torch
    from caustics.lenses.func import reduced_deflection_angle_sie
    from caustics.light.func import brightness_sersic

    torch.set_num_threads(1)
    frame = Frame(kernel, fine, way)
    grid = frame.axis().astype(np.float32)
    x, y = (torch.from_numpy(a.copy()) for a in np.meshgrid(grid, grid))
    transform = torch.from_numpy(frame.transform.astype(np.complex64))

    @torch.compile
    def pixels(p):
        ax, ay = reduced_deflection_angle_sie(p[0], p[1], p[2], p[3], p[4], x, y)
        bx, by = x - ax - p[5] * x - p[6] * y, y - ay - p[6] * x + p[5] * y
        return frame.averaged(brightness_sersic(p[7], p[8], p[9], p[10], p[11], p[12], p[13], bx, by, p[14]))

    @torch.no_grad()
    def image(row):
        b = float(light.sersic_b(row.n))  # its R_e lies along the major axis
        values = (
            row.lens_x,
            row.lens_y,
            row.q,
            row.phi,
            row.theta_e,
            row.gamma1,
            row.gamma2,
            row.source_x,
            row.source_y,
            row.source_q,
            row.source_phi,
            row.n,
            row.r_e / np.sqrt(row.source_q),
            float(light.sersic_central(row.n, row.r_e)) * np.exp(-b),
            b,
        )
        fluxes = torch.from_numpy(_fluxes(row).astype(np.float32))
        return frame.seen(torch.fft, pixels(torch.tensor(values, dtype=torch.float32)), transform, fluxes).numpy()

    return Peer("caustics, compiled, rays shared", image)


MAKERS = {"lenstronomy": lenstronomy, "caustics": caustics, "jaxtronomy": jaxtronomy}


def found(kernel: np.ndarray) -> tuple[list[str], list[str]]:
    """Names of the peers that are installed, and of those that are not."""
    present, missing = [], []
    for name, make in MAKERS.items():
        try:
            make(kernel, 4, "pixels")
            present.append(name)
        except ImportError as error:
            missing.append(f"{name} ({error})")
    return present, missing
