"""Cuts of the confuser classes by quantile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from .class_sky import Sky
from .confusers import CLASSES, ClassError, Confuser, Cuts, cuts


def calibrated(
    parts: Sequence[tuple[pd.DataFrame, np.ndarray]],
    share: float,
    overrides: Mapping[str, Cuts] | None = None,
    of: int | None = None,
) -> tuple[dict[str, dict[str, float]], pd.DataFrame]:
    """Cuts under which each class holds a given share of a sample, to be frozen into a run file.

    One cut of each class, its lever, is moved by bisection to the strictest side of the share; the others stay.

    Parameters
    ----------
    parts : sequence of (DataFrame, bool array)
        Parts of the sky with what lies around them, and which rows are counted (each part has its neighbours to
        itself).
    share : float
        Of the counted rows, in (0, 1).
    overrides : mapping, optional
        Class -> cut -> value, to begin with.
    of : int, optional
        Number that the share is of; the counted rows by default.

    Returns
    -------
    cuts : dict
        class -> lever -> value.
    report : DataFrame
        class, cut, before, share_before, after, share_after. Where even the loosest lever gives less, or the strictest
        more, it stays there.

    Raises
    ------
    ClassError
        When no row is counted, or the share is not in (0, 1).
    """
    total = sum(int(np.count_nonzero(counted)) for _, counted in parts) if of is None else of
    if not total or not 0 < share < 1:
        raise ClassError(f"calibration needs rows and a share in (0, 1); found {total} rows, share {share}")
    skies, chosen = [(Sky(table), counted) for table, counted in parts], cuts(overrides or {})
    frozen, report = {}, []
    for item in CLASSES:
        own = chosen[item.name]
        lever, loose, strict = item.lever

        def held(value: float, item: Confuser = item, own: Cuts = own, lever: str = lever) -> float:
            with np.errstate(invalid="ignore"):
                members = (
                    np.count_nonzero(item.member(sky, {**own, lever: value}) & counted) for sky, counted in skies
                )
                return sum(int(m) for m in members) / total

        before = held(own[lever])
        a, b = loose, strict
        if held(a) > share:
            for _ in range(24):
                middle = (a + b) / 2
                a, b = (middle, b) if held(middle) > share else (a, middle)
            value = b
        else:
            value = a
        step = 10.0**-4
        value = float(np.round(np.floor(value / step) * step if strict < loose else np.ceil(value / step) * step, 4))
        frozen[item.name] = {lever: value}
        report.append(
            {
                "class": item.name,
                "cut": lever,
                "before": own[lever],
                "share_before": before,
                "after": value,
                "share_after": held(value),
            }
        )
    return frozen, pd.DataFrame(report)
