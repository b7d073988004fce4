"""Which of several differences between true lenses and trials makes the detector find fewer: every subset of
them, on the same lenses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lenscal.errors import InputError
from lenscal.experiments.paired import Paired
from lenscal.kernels import shapley

FACTORS = {
    "host": ("galaxy_id",),
    "brightness": ("lensed_mag_r",),
    "colours": ("lensed_colour_gr", "lensed_colour_rz"),
    "offset": ("offset_x", "offset_y"),
    "structure": ("n", "r_e", "source_q", "source_phi"),
    "mass": ("q", "phi", "gamma1", "gamma2", "lens_x", "lens_y"),
}
"""Factors, and the columns that each changes from what is true to what a trial has."""
ABOUT = {
    "host": "a host of the run in place of the lens's own galaxy",
    "brightness": "lensed r of the prior",
    "colours": "colours of the source of the prior",
    "offset": "source position over theta_E of the prior",
    "structure": "source size, index and shape of the prior",
    "mass": "axis ratio, angle, shear and centre of the mass of the prior",
}
ENGINE = "own pixels"
"""What is left: the lens as observed beside our engine with all true values (source morphology, PSF, noise)."""


def mixed(truth: pd.DataFrame, drawn: pd.DataFrame, changed: Sequence[str]) -> pd.DataFrame:
    """The lenses with the columns of some factors as a trial has them (`drawn`), all others as they are (`truth`)."""
    return truth.assign(**{name: drawn[name].to_numpy() for factor in changed for name in FACTORS[factor]})


def crossed(factors: Sequence[str]) -> list[tuple[str, ...]]:
    """All subsets of factors, in the order of `kernels.shapley.subsets`."""
    return [tuple(name for name, in_ in zip(factors, row) if in_) for row in shapley.subsets(len(factors))]


def gap(
    own: np.ndarray, found: Mapping[tuple[str, ...], np.ndarray], factors: Sequence[str]
) -> tuple[pd.DataFrame, dict]:
    """Shares of each factor in the gap between lenses as observed and the same lenses made as trials are.

    Parameters
    ----------
    own : (n,) array
        1 where the lens itself is found, 0 where not, NaN without a score.
    found : mapping of subset to (n,) array
        The same, with the factors of the subset as trials have them; all subsets.
    factors : names

    Returns
    -------
    DataFrame
        One row a factor and one for what is left (`ENGINE`): share, error (standard, over lenses), from_95, to_95, part
        (share over the gap), and two paired comparisons: `first_` with this factor alone changed from the truth,
        `last_` with it alone kept true (`paired.COLUMNS`). The shares sum to the gap.
    dict
        n, own, engine (all true), trials (all as trials have them), gap (trials less own), unfinished (lenses without a
        score in some arm).
    """
    subsets = crossed(factors)
    outcomes = np.array([np.asarray(found[subset], float) for subset in subsets])
    own = np.asarray(own, float)
    good = np.isfinite(own) & np.isfinite(outcomes).all(0)
    own, outcomes = own[good], outcomes[:, good]
    n = own.size
    if n == 0:
        raise InputError(
            f"arms: none of {good.size} lenses has a score in every arm; see the table of lenses for the reasons"
        )
    share, error = shapley.shares(outcomes)
    apart = outcomes[0] - own
    rows = [
        {
            "factor": ENGINE,
            "share": apart.mean(),
            "error": apart.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan,
            **_both(own, outcomes[0], None, None),
        }
    ]
    whole = len(subsets) - 1
    for j, name in enumerate(factors):
        rows.append(
            {
                "factor": name,
                "share": share[j],
                "error": error[j],
                **_both(outcomes[0], outcomes[1 << j], outcomes[whole ^ 1 << j], outcomes[whole]),
            }
        )
    total = float(outcomes[-1].mean() - own.mean())
    table = pd.DataFrame(rows)
    table.insert(3, "from_95", table["share"] - 1.96 * table["error"])
    table.insert(4, "to_95", table["share"] + 1.96 * table["error"])
    table.insert(5, "part", table["share"] / total if total else np.nan)
    summary = {
        "n": int(n),
        "own": float(own.mean()),
        "engine": float(outcomes[0].mean()),
        "trials": float(outcomes[-1].mean()),
        "gap": total,
        "unfinished": int((~good).sum()),
    }
    return table, summary


def _both(before: np.ndarray, after: np.ndarray, kept: np.ndarray | None, all_: np.ndarray | None) -> dict:
    out = {f"first_{name}": value for name, value in Paired.of(before, after).row().items()}
    if kept is not None and all_ is not None:
        out |= {f"last_{name}": value for name, value in Paired.of(kept, all_).row().items()}
    return out
