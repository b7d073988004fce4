"""COOLEST on disk: a JSON document with the FITS files of its pixels beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lenscal.errors import InputError
from lenscal.io import folders


def read(path: str | Path) -> dict[str, Any]:
    """The document of a COOLEST file; what is beside it is not opened, and nothing is unpickled.

    Raises
    ------
    ValueError
        It is no JSON object.
    """
    path = Path(path)
    with folders.saying(path, "read"):
        text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"'{path}' is no JSON ({error}); expected a COOLEST document") from None
    if not isinstance(found, dict):
        raise InputError(f"'{path}' holds a {type(found).__name__}; expected a COOLEST document")
    return found


def write(
    folder: Path,
    name: str,
    document: Mapping[str, Any],
    image: np.ndarray,
    noise: np.ndarray,
    psf: np.ndarray,
    pixel_scale: float,
) -> None:
    """Write NAME.json with the image, its noise and the PSF as FITS files beside it.

    Parameters
    ----------
    folder : Path
    name : str
    document : mapping
        From `injections.coolest_models`.
    image, noise : (n, n) arrays
        Nanomaggy per pixel, and the standard deviation of each; square, as the readers of others take rows for columns.
    psf : (m, m) array
        Sum 1.
    pixel_scale : float
        Arcsec per pixel.
    """
    grids = {
        what: _grid(folder, f"{name}-{what}.fits", pixels, pixel_scale)
        for what, pixels in (("image", image), ("noise", noise), ("psf", psf))
    }
    told = dict(document)
    told["observation"] = {
        "pixels": grids["image"],
        "exposure_time": None,
        "mag_sky_brightness": None,
        "noise": {"type": "NoiseMap", "noise_map": grids["noise"]},
        **document["observation"],
    }
    told["instrument"] = {
        "name": "",
        "readout_noise": None,
        "psf": {"type": "PixelatedPSF", "pixels": grids["psf"], "description": "effective: it includes the pixel"},
        **document["instrument"],
        "pixel_size": pixel_scale,
    }
    folders.write_bytes(folder / f"{name}.json", json.dumps(told, indent=1, allow_nan=False).encode())


def _grid(folder: Path, name: str, pixels: np.ndarray, pixel_scale: float) -> dict[str, Any]:
    """A pixel grid, written; its limits are the outer edges of the pixels."""
    import io

    from astropy.io import fits

    if pixels.ndim != 2 or pixels.shape[0] != pixels.shape[1]:
        raise InputError(f"coolest: {name} has {pixels.shape} pixels; readers of COOLEST need squares")
    file = io.BytesIO()
    fits.PrimaryHDU(np.ascontiguousarray(pixels, np.float32)).writeto(file)
    folders.write_bytes(folder / name, file.getvalue())
    half = len(pixels) * pixel_scale / 2
    return {
        "fits_file": {"path": name},
        "field_of_view_x": [-half, half],
        "field_of_view_y": [-half, half],
        "num_pix_x": len(pixels),
        "num_pix_y": len(pixels),
    }
