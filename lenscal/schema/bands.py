"""Bands of a run: g, r, z, and i where the run asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from .declaration import Declaration
from .facts import BANDS
from .releases import OPTICAL

MORE_BANDS = ("i",)
"""Bands that a run may have beside g, r, z; columns of them are declared as not required."""

BANDS_OF_COUNT = {len(BANDS): BANDS, len(OPTICAL): tuple(OPTICAL)}
"""Bands of an image that does not name them, by how many it has."""


def in_bands(names: Iterable[str], bands: Sequence[str]) -> list[str]:
    """Those of some names that are of no optional band, or of one of these bands."""
    left = tuple(f"_{band}" for band in MORE_BANDS if band not in bands)
    return [name for name in names if not name.lower().endswith(left)] if left else list(names)


def of_bands(declaration: Declaration, bands: Sequence[str]) -> Declaration:
    """A declaration without the variables of optional bands that are none of these."""
    kept = in_bands(declaration.variables, bands)
    return replace(declaration, variables={name: declaration.variables[name] for name in kept})


def bands_words(bands: Sequence[str]) -> str:
    """Bands in words, such as "g, r and z"."""
    return f"{', '.join(bands[:-1])} and {bands[-1]}" if len(bands) > 1 else "".join(bands)


def bands_problem(bands: Sequence[str]) -> str | None:
    """What is wrong with the bands that a run asks for; None where they are g, r, z or g, r, i, z."""
    known = [band for band in OPTICAL if band in (*BANDS, *MORE_BANDS)]
    if unknown := [band for band in bands if band not in known]:
        return f"names {', '.join(map(repr, unknown))}; known are {', '.join(known)}"
    if lacking := [band for band in BANDS if band not in bands]:
        return f"lacks {', '.join(lacking)}; {bands_words(BANDS)} are of every run, beside which it may have i"
    ordered = [band for band in known if band in bands]
    if list(bands) != ordered:
        return f"is [{', '.join(bands)}], and bands stand by wavelength; write [{', '.join(ordered)}]"
    return None
