"""How many trials each cell of a run has, where a table says so."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from lenscal import config, schema
from lenscal.errors import InputError

COLUMNS = (*schema.CELL, "trials")


def of_cell(settings: config.Injections, psf_fwhm: float, depth: float) -> np.ndarray:
    """Trials of each theta_e of a cell of seeing and depth.

    Parameters
    ----------
    settings : config.Injections
        All have `trials` without an `allocation`.
    psf_fwhm, depth : float
        Centre of the cell.

    Returns
    -------
    (theta_e,) int array

    Raises
    ------
    InputError
        The table lacks a column, names a cell that the grid does not have, or one twice, or more than `trials`.
    """
    centres = settings.grid.theta_e.centres
    if not settings.allocation:
        return np.full(centres.size, settings.trials)
    table = read(settings)
    own = table[np.isclose(table["psf_fwhm"], psf_fwhm) & np.isclose(table["depth"], depth)]
    out = np.zeros(centres.size, np.int64)
    place = np.abs(own["theta_e"].to_numpy(float)[:, None] - centres).argmin(1)
    out[place] = own["trials"].to_numpy(np.int64)
    return out


def read(settings: config.Injections) -> pd.DataFrame:
    """The table of trials by cell, checked; arguments and errors as of `of_cell`."""
    where = "injections.allocation"
    try:
        table = pd.read_csv(io.StringIO(settings.allocated))
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(
            f"{where}: '{settings.allocation}' cannot be read as CSV ({str(error).strip()}); expected the columns "
            f"{', '.join(COLUMNS)}, as `lenscal allocate` writes them"
        ) from None
    if lacking := [name for name in COLUMNS if name not in table]:
        raise InputError(f"{where}: the table lacks {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
    for dim in schema.CELL:
        centres = getattr(settings.grid, dim).centres
        values = pd.to_numeric(table[dim], errors="coerce").to_numpy(float)
        if not np.isclose(values[:, None], centres).any(1).all():
            raise InputError(f"{where}: {dim} holds what is no centre of the grid, which has {centres.tolist()}")
    trials = pd.to_numeric(table["trials"], errors="coerce").to_numpy(float)
    if not ((trials >= 0) & (trials == np.round(trials)) & (trials <= settings.trials)).all():
        raise InputError(f"{where}: trials are not all whole numbers from 0 to injections.trials ({settings.trials})")
    if twice := int(table.duplicated(list(schema.CELL)).sum()):
        raise InputError(f"{where}: {twice} cells are named twice; name each once")
    return table
