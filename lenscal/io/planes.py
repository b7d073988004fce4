"""Which band and kind of plane a header says that its image is."""

from __future__ import annotations

import re
from collections.abc import Mapping

KINDS = {
    "image": "image",
    "invvar": "invvar",
    "wtmap": "invvar",
    "nexp": "nexp",
    "expmap": "nexp",
    "psfsize": "psfsize",
    "maskbits": "maskbits",
    "depth": "depth",
    "psfdepth": "depth",
    "galdepth": "galdepth",
    "model": "model",
    "blobmodel": "blobmodel",
    "chi2": "chi2",
    "resid": "resid",
    "blobmap": "blobs",
}
"""Product by the word of IMTYPE, PRODTYPE or EXTNAME; a word that is not among them says nothing."""
_EXTENSION = re.compile(r"([A-Za-z0-9]+?)(?:[-_ ]([grizyuGRIZYU]))?")
_BANDS = "ugrizy"
_FILTER = re.compile(r"([ugrizy])(|[._].*|d|p1?|_?(decam|sdss|mosaic|bass|mzls|90prime).*)")


def band_of(header: Mapping) -> str | None:
    """Band that FILTER or EXTNAME says, as in ``"z DECam SDSS c0004 9260.0 1520.0"``, ``"zd DECam k1038"``,
    ``IMAGE_r``; None where neither says one.
    """
    words = str(header.get("FILTER", header.get("BAND", ""))).strip().lower().split()
    if words and (first := _FILTER.fullmatch(words[0])):
        return first[1]
    if len(lone := [word for word in words if word in _BANDS]) == 1:
        return lone[0]
    named = _EXTENSION.fullmatch(str(header.get("EXTNAME", "")).strip())
    if named is None:
        return None
    return (
        named[2].lower()
        if named[2]
        else named[1].lower()
        if len(named[1]) == 1 and named[1].lower() in _BANDS
        else None
    )


def kind_of(header: Mapping) -> str | None:
    """Product that IMTYPE, PRODTYPE or EXTNAME says; None where none says one. An extension that is just called
    IMAGE may hold anything.
    """
    for card in ("IMTYPE", "PRODTYPE", "EXTNAME"):
        word = str(header.get(card, "")).strip().lower()
        if card == "EXTNAME" and word == "image":
            continue
        for text in (word, re.split(r"[-_ ]", word)[0]):
            if text in KINDS:
                return KINDS[text]
    return None


def problem(header: Mapping, product: str, band: str = "") -> str | None:
    """What a header says that is another band or product than expected; None when it says
    nothing of it, or the same.
    """
    kind, found = kind_of(header), band_of(header)
    if kind is not None and kind != product:
        return f"says that it is the plane '{kind}', not '{product}' (IMTYPE, PRODTYPE or EXTNAME)"
    if band and found is not None and found != band:
        return f"says that its band is {found}, not {band} (FILTER or EXTNAME)"
    return None
