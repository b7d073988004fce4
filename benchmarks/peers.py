"""Other renderers at the engine's own work: three bands of 101 x 101 pixels of a lensed Sersic source, convolved with a PSF.

Each takes its fastest idiomatic setting on one core: rays and surface brightness shared by the bands on 4 x 4 subpixels, one
forward transform and one inverse for each band. None is needed to run lenscal: `pip install caustics jaxtronomy lenstronomy`
beside it to have them measured. Subpixels on a fixed grid are all that they offer: `image` tells how far they are off.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft

from lenscal import schema
from lenscal.kernels import light

FINE, SIZE = 4, 101


class Peer:
    """One renderer: `image(row)` gives (band, y, x), nanomaggy."""

    def __init__(self, name: str, image: Callable) -> None:
        self.name, self.image = name, image


def _axis(size: int) -> np.ndarray:
    return (np.arange(FINE * size) - (FINE * size - 1) / 2) * schema.PIXEL_SCALE / FINE


def _transform(kernel: np.ndarray, side: int) -> np.ndarray:
    padded = np.zeros((len(kernel), side, side))
    padded[:, : kernel.shape[1], : kernel.shape[2]] = kernel
    return fft.rfft2(np.roll(padded, (-(kernel.shape[1] // 2), -(kernel.shape[2] // 2)), (1, 2)))


def _fluxes(row) -> np.ndarray:
    return 10 ** (-0.4 * (np.array([row.mag_g, row.mag_r, row.mag_z]) - schema.ZEROPOINT)) * schema.PIXEL_SCALE**2


def _linear_b(n: float) -> float:
    return 1.9992 * n - 0.3271  # of lenstronomy and jaxtronomy


def _kwargs(row) -> tuple[list, list]:
    """Keyword arguments of lenstronomy and jaxtronomy; the radius makes their linear fit of b_n draw our profile."""
    e, es = (1 - row.q) / (1 + row.q), (1 - row.source_q) / (1 + row.source_q)
    b, fit = float(light.sersic_b(row.n)), _linear_b(row.n)
    lens = [
        {"theta_E": row.theta_e, "e1": e * np.cos(2 * row.phi), "e2": e * np.sin(2 * row.phi), "center_x": row.lens_x, "center_y": row.lens_y},
        {"gamma1": row.gamma1, "gamma2": row.gamma2, "ra_0": 0.0, "dec_0": 0.0},
    ]
    source = {
        "amp": float(light.sersic_central(row.n, row.r_e)) * np.exp(-fit), "R_sersic": row.r_e * (fit / b) ** row.n, "n_sersic": row.n,
        "e1": es * np.cos(2 * row.source_phi), "e2": es * np.sin(2 * row.source_phi), "center_x": row.source_x, "center_y": row.source_y,
    }  # fmt: skip
    return lens, [source]


def lenstronomy(kernel: np.ndarray) -> Peer:
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LightModel.light_model import LightModel

    model, sersic = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])
    x, y = (a.ravel() for a in np.meshgrid(_axis(SIZE), _axis(SIZE)))
    side = fft.next_fast_len(SIZE + kernel.shape[1] // 2, real=True)
    transform = _transform(kernel, side)

    def image(row):
        lens, source = _kwargs(row)
        fine = sersic.surface_brightness(*model.ray_shooting(x, y, lens), source)
        pixels = fine.reshape(SIZE, FINE, SIZE, FINE).mean((1, 3))
        product = fft.rfft2(pixels, (side, side)) * transform * _fluxes(row)[:, None, None]
        return fft.irfft2(product, (side, side))[:, :SIZE, :SIZE]

    return Peer("lenstronomy, rays shared", image)


def jaxtronomy(kernel: np.ndarray) -> Peer:
    import jax
    from jax import numpy as jnp
    from jaxtronomy.LensModel.lens_model import LensModel
    from jaxtronomy.LightModel.light_model import LightModel

    model, sersic = LensModel(["SIE", "SHEAR"]), LightModel(["SERSIC_ELLIPSE"])
    x, y = (jnp.asarray(a.ravel()) for a in np.meshgrid(_axis(SIZE), _axis(SIZE)))
    side = fft.next_fast_len(SIZE + kernel.shape[1] // 2, real=True)
    transform = jnp.asarray(_transform(kernel, side))

    def one(lens, source, fluxes):
        fine = sersic.surface_brightness(*model.ray_shooting(x, y, lens), source)
        pixels = fine.reshape(SIZE, FINE, SIZE, FINE).mean((1, 3))
        return jnp.fft.irfft2(jnp.fft.rfft2(pixels, (side, side)) * transform * fluxes[:, None, None], (side, side))[:, :SIZE, :SIZE]

    many = jax.jit(jax.vmap(one))

    def image(row):
        stacked = jax.tree.map(lambda value: jnp.asarray([value]), (*_kwargs(row), _fluxes(row)))
        return np.asarray(many(*stacked))[0]

    return Peer("jaxtronomy, jit and vmap", image)


def caustics(kernel: np.ndarray) -> Peer:
    import torch
    from caustics.lenses.func import reduced_deflection_angle_sie
    from caustics.light.func import brightness_sersic

    torch.set_num_threads(1)
    grid = _axis(SIZE).astype(np.float32)
    x, y = (torch.from_numpy(a.copy()) for a in np.meshgrid(grid, grid))
    side = fft.next_fast_len(SIZE + kernel.shape[1] // 2, real=True)
    transform = torch.from_numpy(_transform(kernel, side).astype(np.complex64))

    @torch.compile
    def pixels(p):
        ax, ay = reduced_deflection_angle_sie(p[0], p[1], p[2], p[3], p[4], x, y)
        bx, by = x - ax - p[5] * x - p[6] * y, y - ay - p[6] * x + p[5] * y
        fine = brightness_sersic(p[7], p[8], p[9], p[10], p[11], p[12], p[13], bx, by, p[14])
        return fine.reshape(SIZE, FINE, SIZE, FINE).mean((1, 3))

    @torch.no_grad()
    def image(row):
        b = float(light.sersic_b(row.n))  # its R_e lies along the major axis
        values = (
            row.lens_x, row.lens_y, row.q, row.phi, row.theta_e, row.gamma1, row.gamma2, row.source_x, row.source_y, row.source_q,
            row.source_phi, row.n, row.r_e / np.sqrt(row.source_q), float(light.sersic_central(row.n, row.r_e)) * np.exp(-b), b,
        )  # fmt: skip
        plane = torch.fft.rfft2(pixels(torch.tensor(values, dtype=torch.float32)), (side, side))
        fluxes = torch.from_numpy(_fluxes(row).astype(np.float32))
        return torch.fft.irfft2(plane * transform * fluxes[:, None, None], (side, side))[:, :SIZE, :SIZE].numpy()

    return Peer("caustics, compiled, rays shared", image)


def found(kernel: np.ndarray) -> tuple[list[Peer], list[str]]:
    """The peers that are installed, and the names of those that are not."""
    peers, missing = [], []
    for make in (lenstronomy, caustics, jaxtronomy):
        try:
            peers.append(make(kernel))
        except ImportError as error:
            missing.append(f"{make.__name__} ({error})")
    return peers, missing
