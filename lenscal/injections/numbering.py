"""Ids of injections, from their place in the grid, and those that key their noise."""

from __future__ import annotations

import numpy as np

from lenscal.errors import InputError


def injection_ids(theta_e: np.ndarray, psf_fwhm: float, depth: float, trials: np.ndarray) -> np.ndarray:
    """Ids (theta_e, trial) of the injections of cells: theta_e [mas] 13 bits, psf [mas] 13 bits,
    depth [mmag] 16, trial 20.

    They depend on the physical centre of the cell and the trial number, so that a finer grid or more trials leave old
    ones as they were.
    """
    theta = np.round(np.asarray(theta_e) * 1000).astype(np.int64)
    psf, mmag = round(float(psf_fwhm) * 1000), round(float(depth) * 1000)
    trials = np.asarray(trials, np.int64)
    for name, values, bits in (
        ("theta_e", theta, 13),
        ("psf_fwhm", psf, 13),
        ("depth", mmag, 16),
        ("trial", trials, 20),
    ):
        if np.min(values) < 0 or np.max(values) >= 1 << bits:
            raise InputError(
                f"injections: a {name} of the grid is out of range: it must be from 0 to "
                f"{(1 << bits) - 1} thousandths or trials"
            )
    return (((theta[:, None] << 13 | psf) << 16 | mmag) << 20) | trials


def noise_ids(ids: np.ndarray) -> np.ndarray:
    """What the noise of an injection is keyed by: its id without theta_e, so that one trial has
    one noise at all theta_e.
    """
    return np.asarray(ids, np.int64) & ((1 << 49) - 1)
