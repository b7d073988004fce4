"""Images of lensed sources: the public `render`, and the same for sources of any kind."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.injections import sources
from lenscal.injections.sources import Components
from lenscal.kernels import convolution, imaging, psfs, rays

from .bands import bands_of
from .refusing import PSF_SUM_TOLERANCE, TOO_LARGE, checked, psf_problem


def render(
    parameters: xr.Dataset | pd.DataFrame,
    psf: xr.DataArray | None = None,
    *,
    shape: tuple[int, int] = (101, 101),
    pixel_scale: float = schema.PIXEL_SCALE,
) -> xr.DataArray:
    """Images of lensed Sersic sources; conventions in docs/conventions.md.

    Parameters
    ----------
    parameters : Dataset (injection) or DataFrame
        One row for each injection: theta_e, q, phi, gamma1, gamma2, lens_x, lens_y, n, r_e, source_q, source_phi,
        source_x, source_y (arcsec, radians), and unlensed AB magnitudes mag_g, mag_r, mag_z, and mag_i where there is
        one: the images then have the bands g, r, i, z. A column inner_images, where there is one, is false where inner
        images are suppressed.
    psf : DataArray (band, psf_y, psf_x), with `injection` or without, or None
        Sides odd, sum 1. Its attribute `includes_pixel` tells an effective PSF (true) from an optical one. Bands and
        injections that have names are taken by name. None gives exact pixel integrals without PSF.
    shape : tuple of int
        Sides (y, x) of the images, whose centre is ((n - 1)/2, (n - 1)/2).
    pixel_scale : float
        Arcsec per pixel.

    Returns
    -------
    DataArray (injection, band, y, x)
        float32, nanomaggy per pixel; the same bits for the same row whatever the other rows are. Light from more than 3
        pixels outside of the stamp is not scattered into it.

    Raises
    ------
    ValueError
        A column that is missing, a parameter out of range or not finite, a PSF that is not finite or does not sum to 1;
        the message names the injection.
    """
    if min(shape) < 1 or not pixel_scale > 0:
        raise InputError(f"render: shape {shape} and pixel_scale {pixel_scale} must be positive")
    values, labels = checked(parameters)
    bands, inner = bands_of(parameters), inner_images_of(parameters, labels)
    flux = np.column_stack([10 ** (-0.4 * (values[f"mag_{band}"] - schema.ZEROPOINT)) for band in bands])
    components = sources.smooth(values, pixel_scale)
    if psf is None:
        unit, _ = pixel_integrals(values, components, shape, pixel_scale, inner, labels=labels)
        images = unit[:, None] * flux.astype(np.float32)[:, :, None, None]
    else:
        kernels, which = _psf_images(psf, labels, bands)
        bench = Bench(shape, pixel_scale, kernels.shape[-2:], bool(psf.attrs["includes_pixel"]))
        images, _, full = bench.convolved(values, components, flux, kernels, which, inner)
        _refuse_full(full, labels)
    return xr.DataArray(
        images,
        dims=("injection", "band", "y", "x"),
        coords={"injection": labels, "band": np.array(bands)},
        attrs={"units": "nanomaggy"},
        name="image",
    )


def inner_images_of(parameters: xr.Dataset | pd.DataFrame, labels: np.ndarray) -> np.ndarray:
    """Whether each injection has its inner images; all have where no column says otherwise."""
    if "inner_images" not in parameters:
        return np.ones(len(labels), bool)
    column = parameters["inner_images"]
    found = np.asarray(column.values if isinstance(parameters, xr.Dataset) else column)
    if found.dtype != bool or found.shape != labels.shape:
        raise InputError(
            f"render: 'inner_images' is {found.dtype} of shape {found.shape}, expected one "
            "true or false for each injection"
        )
    return found


def _psf_images(psf: xr.DataArray, labels: np.ndarray, bands: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """PSF images (psf, band, y, x) and which one each injection has."""
    if "includes_pixel" not in psf.attrs:
        raise InputError(
            "render: psf.attrs lacks 'includes_pixel': set True for an effective PSF, False for an optical one"
        )
    own = "injection" in psf.dims
    wanted = {"band", "psf_y", "psf_x"} | ({"injection"} if own else set())
    if set(psf.dims) != wanted:
        raise InputError(f"render: psf has dims {psf.dims}, expected {sorted(wanted)}")
    if "band" in psf.coords:
        found = [str(band) for band in psf["band"].values]
        if len(set(found)) < len(found) or not set(bands) <= set(found):
            raise InputError(f"render: psf has bands {found}, not {list(bands)}")
        psf = psf.isel(band=[found.index(band) for band in bands])
    elif psf.sizes["band"] != len(bands):
        raise InputError(f"render: psf has {psf.sizes['band']} bands, not {len(bands)}")
    images = psf.transpose(*(("injection",) if own else ()), "band", "psf_y", "psf_x").values
    images = images if own else images[None]
    if own and len(images) != len(labels):
        raise InputError(f"render: {len(images)} PSFs for {len(labels)} injections")
    if own and "injection" in psf.coords:
        images = images[_by_name(psf["injection"].values, labels)]
    if images.shape[-1] % 2 == 0 or images.shape[-2] % 2 == 0:
        raise InputError(
            f"render: the PSF is {images.shape[-2:]} pixels, whose sides must be odd so that it has a centre pixel"
        )
    sums = images.sum((-2, -1), dtype=float)  # NaN and infinity stay in a sum
    for row, band in np.argwhere(~((np.abs(sums - 1) <= PSF_SUM_TOLERANCE) & psfs.is_sound(images)))[:1]:
        whose = f"injection {labels[row]}" if own else "all injections"
        raise InputError(f"render: {whose}, band {bands[band]}: {psf_problem(images[row, band])}")
    return images, np.arange(len(labels)) if own else np.zeros(len(labels), np.int64)


def _by_name(names: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Row of each injection among PSFs with these names; as they stand where the injections are only numbered."""
    rows = pd.Index(names).get_indexer(labels) if pd.Index(names).is_unique else np.full(len(labels), -1)
    if (rows >= 0).all():
        return rows
    if np.array_equal(labels, np.arange(len(labels))):
        return np.arange(len(labels))
    raise InputError(
        f"render: injection {labels[np.argmax(rows < 0)]} has no PSF of its own: psf names the "
        f"injections {names[:3].tolist()} ..."
    )


def pixel_integrals(
    values: Mapping[str, np.ndarray],
    components: Components,
    shape: tuple[int, int],
    pixel_scale: float,
    inner_images: bool | np.ndarray = True,
    tolerance: float = 1.0,
    labels: Sequence | None = None,
    with_images: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Images (injection, y, x) of sources of unit flux without PSF, and their flux on the stamp and
    its margin (injection,).
    """
    lens = np.column_stack([values[name] for name in rays.LENS_FIELDS]).astype(float)
    sides, origin = imaging.geometry(shape, pixel_scale)
    out = np.zeros((len(lens), *(shape if with_images else (0, 0))), np.float32)
    inside, full = np.zeros(len(lens)), np.zeros(len(lens), np.int64)
    c = components
    imaging.pixels(
        lens,
        c.first,
        c.sersic,
        c.light,
        c.stamp,
        c.place,
        c.share,
        c.stamps,
        np.full(len(lens), inner_images),
        tolerance,
        origin,
        *imaging.work_space(sides),
        out,
        inside,
        full,
    )
    _refuse_full(full, labels)
    return out, inside


class Bench:
    """Where images of one shape are made: the geometry, and scratch that serves any number of calls in one thread.

    Parameters
    ----------
    shape : tuple of int
        Sides (y, x) of the images.
    pixel_scale : float
        Arcsec per pixel.
    psf_shape : tuple of int
        Sides (y, x) of the PSF images.
    includes_pixel : bool
        Whether the PSF is an effective one; see `convolution.psf_transform`.
    """

    def __init__(
        self, shape: tuple[int, int], pixel_scale: float, psf_shape: tuple[int, int], includes_pixel: bool = True
    ) -> None:
        torus = imaging.torus(shape, psf_shape)
        sides, self._origin = imaging.geometry(shape, pixel_scale)
        self._scratch, self._fourier = imaging.work_space(sides), convolution.work_space(torus)
        self._optics = functools.cache(lambda bands: imaging.optics(bands, psf_shape, torus, includes_pixel))
        self._shape, self._images = tuple(shape), np.empty(0, np.float32)

    def convolved(
        self,
        values: Mapping[str, np.ndarray],
        components: Components,
        flux: np.ndarray,
        psf: np.ndarray,
        which: np.ndarray,
        inner_images: bool | np.ndarray = True,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images convolved with PSFs.

        Parameters
        ----------
        values, components
            Parameters by name, and the sources, (injection,).
        flux : (injection, band) array
            Of the unlensed source, nanomaggy.
        psf : (psf, band, y, x) array
            PSF images, of the shape that the bench is for.
        which : (injection,) array
            The PSF of each injection.
        inner_images : bool or (injection,) bool array
            False suppresses inner images.

        Returns
        -------
        tuple of array
            Images (injection, band, y, x), which the next call overwrites; the flux on the stamp of sources of unit
            flux (injection,); and 1 where a source is too large to be sampled (injection,), see `TOO_LARGE`.
        """
        lens = np.column_stack([values[name] for name in rays.LENS_FIELDS]).astype(float)
        count, c, which = len(lens), components, np.asarray(which, np.int64)
        shape = (count, flux.shape[1], *self._shape)
        if self._images.size < np.prod(shape):
            self._images = np.empty(np.prod(shape), np.float32)
        out, inside, full = self._images[: np.prod(shape)].reshape(shape), np.zeros(count), np.zeros(count, np.int64)
        imaging.convolved(
            lens,
            c.first,
            c.sersic,
            c.light,
            c.stamp,
            c.place,
            c.share,
            c.stamps,
            np.full(count, inner_images),
            1.0,
            self._origin,
            *self._scratch,
            np.ascontiguousarray(flux, float),
            np.ascontiguousarray(psf, np.float32),
            which,
            np.argsort(which, kind="stable"),
            self._optics(flux.shape[1]),
            self._fourier,
            out,
            inside,
            full,
        )
        return out, inside, full


def magnification(
    values: Mapping[str, np.ndarray], components: Components, inner_images: bool = True, tolerance: float = 1.0
) -> np.ndarray:
    """Lensed over unlensed flux (injection,), on a grid that reaches three Einstein radii and five arcsec
    or more from the centre.
    """
    out = np.empty(len(values["theta_e"]))
    # Flux alone bears larger cells, from which the quadtree starts; stamps, of fewer levels, do not for an exact value.
    scale = schema.PIXEL_SCALE * (1 if (components.stamp >= 0).any() and tolerance <= 1 else 2)
    # The grid follows from the injection's own theta_e, so that the result does not depend on the other ones.
    classes = np.ceil(values["theta_e"])
    for theta_e in np.unique(classes):
        rows = np.flatnonzero(classes == theta_e)
        n = 2 * int(np.ceil((3 * theta_e + 5) / scale)) + 1
        chosen = {name: array[rows] for name, array in values.items()}
        out[rows] = pixel_integrals(
            chosen, components.rows(rows), (n, n), scale, inner_images, tolerance, with_images=False
        )[1]
    return out


def _refuse_full(full: np.ndarray, labels: Sequence | None) -> None:
    rows = np.flatnonzero(full)
    if rows.size:
        name = labels[rows[0]] if labels is not None else rows[0]
        raise InputError(f"render: injection {name}: {TOO_LARGE}")
