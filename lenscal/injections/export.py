"""Injections as keyword arguments of lenstronomy, so that anyone can render them again there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.injections import refusing, rendering
from lenscal.injections.bands import bands_of
from lenscal.injections.sources import Components, of_kind, prepare
from lenscal.kernels import light, rays

LENS_MODELS = ["SIE", "SHEAR"]


def parameters_of(injections: xr.Dataset) -> pd.DataFrame:
    """Parameters of the injections of a store that have an image, as `lenscal.render` takes them.

    Parameters
    ----------
    injections : Dataset (theta_e, psf_fwhm, depth, trial)
        As declared in `schema.INJECTIONS`, with the attribute `inner_images` that the stage writes.

    Returns
    -------
    DataFrame
        theta_e, q, ..., mag_z, mag_i where the run has i, and inner_images, false where the run suppressed them; the
        index `injection_id`.

    Raises
    ------
    ValueError
        Injections that do not say whether their inner images were rendered.
    """
    if "inner_images" not in injections.attrs:
        raise InputError(
            "export: the injections lack the attribute 'inner_images' (1 or 0), without which nobody "
            "knows which images were rendered"
        )
    bands = [str(band) for band in injections["band"].values]
    made = (injections["failure"].transpose(*schema.TRIAL).values.astype(object) == "").ravel()
    flat = {
        name: injections[name].transpose(*schema.TRIAL).values.ravel()[made]
        for name in (*schema.in_bands(schema.ALL_PARAMETERS, bands), "injection_id")
    }
    index = pd.Index(flat.pop("injection_id"), name="injection_id")
    names = {name: name.removeprefix("source_") if "mag" in name else name.removesuffix("_drawn") for name in flat}
    table = pd.DataFrame({names[name]: values for name, values in flat.items()}, index=index)
    return table.assign(inner_images=bool(injections.attrs["inner_images"]))


def lenstronomy_kwargs(
    parameters: xr.Dataset | pd.DataFrame,
    *,
    shape: tuple[int, int] = (101, 101),
    pixel_scale: float = schema.PIXEL_SCALE,
    source: str = "sersic",
    seed: int | None = None,
    stamps: Sequence[Mapping] | None = None,
    all_images: bool = False,
) -> list[dict]:
    """Keyword arguments of lenstronomy for lensed sources.

    lenstronomy has a linear fit for b_n; radius and amplitude are given so that its profile is ours. Its amplitudes are
    surface brightness per square arcsec, and `ImageModel` gives nanomaggy per pixel, without PSF: lay your own on it. A
    PSF that includes the pixel must not be laid on pixel averages.

    Suppressed inner images (column inner_images) are no lens model: lenstronomy draws every image of the lens that it
    is given. Such injections are refused, or exported with all their images when `all_images` is true.

    Parameters
    ----------
    parameters : Dataset (injection) or DataFrame
        As `lenscal.render` takes it; `parameters_of` makes it from a store.
    shape, pixel_scale
        Of the images, as in `lenscal.render`.
    source : str
        "sersic", "clumpy" or "stamps". The last two need the run's seed, and the index (or `injection`) must hold
        injection ids.
    seed : int
        Of the run.
    stamps : list of dict
        Real galaxies (image, pixel_scale, name), for "stamps".
    all_images : bool
        Export injections without inner images, too, whose entry then draws more than was injected.

    Returns
    -------
    list of dict
        For each injection: injection; inner_images, false where lenstronomy draws images that the injection has not;
        lens_model_list, kwargs_lens; source_model_list, and kwargs_source by band; kwargs_data (`ra_at_xy_0`,
        `dec_at_xy_0`, `transform_pix2angle`), x growing with the column; shape (y, x).

    Raises
    ------
    ValueError
        As `lenscal.render`; a source that needs a seed without one; suppressed inner images without `all_images`.
    """
    values, labels = refusing.checked(parameters)
    inner = rendering.inner_images_of(parameters, labels)
    if not (all_images or inner.all()):
        raise InputError(
            f"export: injection {labels[np.argmin(inner)]} and {int((~inner).sum()) - 1} more have their inner "
            "images suppressed, which lenstronomy would draw; pass all_images=True to export them with all "
            "images, each marked inner_images: False"
        )
    if source != "sersic" and seed is None:
        raise InputError(
            f"export: the source is '{source}', whose knots or stamps are drawn by the run's seed; give it"
        )
    ids = np.arange(len(labels)) if source == "sersic" else np.asarray(labels).astype(np.int64)
    components = of_kind(source, values, ids, seed or 0, prepare(source, stamps), pixel_scale)
    out = []
    for row, label in enumerate(labels):
        lens = {name: float(values[name][row]) for name in rays.LENS_FIELDS}
        e1, e2 = _ellipticity(lens["q"], lens["phi"])
        models, kwargs = _source(components, row)
        flux = _flux(values, row)
        out.append(
            {
                "injection": label.item() if hasattr(label, "item") else label,
                "inner_images": bool(inner[row]),
                "lens_model_list": list(LENS_MODELS),
                "kwargs_lens": [
                    {
                        "theta_E": lens["theta_e"],
                        "e1": e1,
                        "e2": e2,
                        "center_x": lens["lens_x"],
                        "center_y": lens["lens_y"],
                    },
                    {"gamma1": lens["gamma1"], "gamma2": lens["gamma2"], "ra_0": 0.0, "dec_0": 0.0},
                ],
                "source_model_list": models,
                "kwargs_source": {
                    band: [{**entry, "amp": entry["amp"] * f} for entry in kwargs] for band, f in flux.items()
                },
                "kwargs_data": {
                    "ra_at_xy_0": -(shape[1] - 1) / 2 * pixel_scale,
                    "dec_at_xy_0": -(shape[0] - 1) / 2 * pixel_scale,
                    "transform_pix2angle": [[pixel_scale, 0.0], [0.0, pixel_scale]],
                },
                "shape": list(shape),
            }
        )
    return out


def _flux(values: Mapping[str, np.ndarray], row: int) -> dict[str, float]:
    """Unlensed flux of a source [nanomaggy] by band."""
    return {band: float(10 ** (-0.4 * (values[f"mag_{band}"][row] - schema.ZEROPOINT))) for band in bands_of(values)}


def _ellipticity(q: float, phi: float) -> tuple[float, float]:
    e = (1 - q) / (1 + q)
    return float(e * np.cos(2 * phi)), float(e * np.sin(2 * phi))


def _source(components: Components, row: int) -> tuple[list[str], list[dict]]:
    """Light models of one source of unit flux."""
    models, kwargs = [], []
    for k in range(components.first[row], components.first[row + 1]):
        share = float(components.share[k])
        if components.stamp[k] >= 0:
            x, y, angle, scale, centre_x, centre_y, n_x, n_y = (float(v) for v in components.place[k])
            image = components.stamps[components.stamp[k], : int(n_y), : int(n_x)].astype(float)
            # lenstronomy puts the middle of the array on the centre; ours is the galaxy's centroid.
            u, v = (n_x - 1) / 2 - centre_x, (n_y - 1) / 2 - centre_y
            c, s = np.cos(angle), np.sin(angle)
            models.append("INTERPOL")
            kwargs.append(
                {
                    "image": image / scale**2,
                    "amp": share,
                    "center_x": x + scale * (c * u - s * v),
                    "center_y": y + scale * (s * u + c * v),
                    "phi_G": angle,
                    "scale": scale,
                }
            )
            continue
        n, r_e, q, phi, x, y = (float(v) for v in components.sersic[k])
        b, fit = float(light.sersic_b(n)), 1.9992 * n - 0.3271
        e1, e2 = _ellipticity(q, phi)
        models.append("SERSIC_ELLIPSE")
        kwargs.append(
            {
                "amp": share * float(light.sersic_central(n, r_e)) * np.exp(-fit),
                "R_sersic": r_e * (fit / b) ** n,
                "n_sersic": n,
                "e1": e1,
                "e2": e2,
                "center_x": x,
                "center_y": y,
            }
        )
    return models, kwargs
