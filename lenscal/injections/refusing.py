"""What cannot be rendered, and why: limits of the parameters and of a PSF image."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.errors import InputError
from lenscal.injections.bands import bands_of
from lenscal.kernels import psfs, rays, sampling

NAMES = (*rays.LENS_FIELDS, *sampling.SOURCE_FIELDS)

PSF_SUM_TOLERANCE = 1e-3

TOO_LARGE = (
    f"the source needs more than {sampling.CAPACITY} cells of one size, or four for each 2 x 2 pixels; it is too "
    "large for the stamp's pixels"
)

_LIMITS = {"theta_e": (0, np.inf), "q": (0, 1), "n": (0.2, 8), "r_e": (0, np.inf), "source_q": (0, 1)} | {
    f"mag_{band}": (-50, 100)
    for band in schema.OPTICAL  # -99 and the like stand for no magnitude, and their flux is beyond single precision
}
"""Of parameters: (low, high]."""


def checked(parameters: xr.Dataset | pd.DataFrame) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Columns of `render` and the names of the injections.

    Raises
    ------
    ValueError
        A column that is missing, or a value that is not finite or out of range, with the injection's name.
    """
    if isinstance(parameters, xr.Dataset):
        if "injection" not in parameters.sizes:
            raise InputError(f"render: parameters have dims {tuple(parameters.sizes)}, not 'injection'")
        labels = (
            parameters["injection"].values
            if "injection" in parameters.coords
            else np.arange(parameters.sizes["injection"])
        )
    else:
        labels = parameters.index.to_numpy()
    wanted = [*NAMES, *(f"mag_{band}" for band in bands_of(parameters))]
    if missing := [name for name in wanted if name not in parameters]:
        raise InputError(f"render: parameters lack {missing}")
    for name in wanted:
        if isinstance(parameters, xr.Dataset) and parameters[name].dims != ("injection",):
            raise InputError(f"render: '{name}' has dims {parameters[name].dims}, not ('injection',)")
    values = {
        name: np.asarray(parameters[name].values if isinstance(parameters, xr.Dataset) else parameters[name], float)
        for name in wanted
    }
    for row, reason in enumerate(problems(values)):
        if reason:
            raise InputError(f"render: injection {labels[row]}: {reason}")
    return values, labels


def problems(values: Mapping[str, np.ndarray]) -> list[str]:
    """What is wrong with each row of parameters; empty where nothing is."""
    out = [""] * len(next(iter(values.values())))
    for name, array in values.items():
        bad = ~np.isfinite(array)
        low, high = _LIMITS.get(name, (-np.inf, np.inf))
        bad |= ~((array > low) & (array <= high))
        for row in np.flatnonzero(bad):
            if not out[row]:
                span = f" in ({low:g}, {high:g}]" if name in _LIMITS else ""
                out[row] = f"{name} is {array[row]:g}, expected a finite number{span}"
    return out


def psf_problem(image: np.ndarray) -> str:
    """What is wrong with a PSF image; empty when nothing is."""
    if not np.isfinite(image).all():
        return "the PSF holds NaN or infinity"
    if abs(image.sum(dtype=float) - 1) > PSF_SUM_TOLERANCE:
        return f"the PSF sums to {image.sum(dtype=float):.4f}, not 1"
    return psfs.problem(image)
