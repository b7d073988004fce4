"""Positions in sexagesimal texts, such as 10:22:33.4 and -05 12 00."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_KINDS = {
    "hms": "hms",
    "dms": "dms",
    "h:m:s": "hms",
    "h m s": "hms",
    "hh:mm:ss": "hms",
    "d:m:s": "dms",
    "d m s": "dms",
    "dd:mm:ss": "dms",
}
_CELL = re.compile(
    r"""\s*([+\-\u2212]?)\s*(\d{1,3})\s*(?:[:hd\u00b0]|\s)\s*(\d{1,2})\s*(?:[:m'\u2032]|\s)?\s*"""
    r"""(\d{1,2}(?:\.\d*)?)?\s*(?:s|"|''|\u2033)?\s*"""
)


def kind_of(unit: str) -> str:
    """``hms`` (hours, minutes, seconds) or ``dms`` (degrees, minutes, seconds of arc), by the unit that is stated, as
    VizieR writes it too; empty for another.
    """
    return _KINDS.get(unit.strip().strip("\"'").lower(), "")


def degrees(cells: Sequence[object], kind: str) -> np.ndarray:
    """Angles in degrees (n,); NaN where a cell is blank, no sexagesimal number, or has minutes or seconds of 60 and
    more.
    """
    out = np.full(len(cells), np.nan)
    for i, cell in enumerate(cells):
        found = _CELL.fullmatch(cell) if isinstance(cell, str) else None
        if not found:
            continue
        sign, whole, minutes, seconds = found.groups()
        minute, second = int(minutes), float(seconds or 0)
        if minute < 60 and second < 60:
            value = int(whole) + minute / 60 + second / 3600
            out[i] = -value if sign in ("-", "\u2212") else value
    return out * 15 if kind == "hms" else out
