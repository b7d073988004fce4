"""Which band and kind of plane a header says that its image is."""

from __future__ import annotations

import re
from collections.abc import Mapping

KINDS = {
    "image": "image", "invvar": "invvar", "wtmap": "invvar", "nexp": "nexp", "expmap": "nexp", "psfsize": "psfsize", "maskbits": "maskbits", "depth": "depth",
    "psfdepth": "depth", "galdepth": "galdepth", "model": "model", "blobmodel": "blobmodel", "chi2": "chi2", "resid": "resid", "blobmap": "blobs",
}  # fmt: skip
"""Product by the word of IMTYPE, PRODTYPE or EXTNAME; a word that is not among them says nothing."""
_EXTENSION = re.compile(r"([A-Za-z0-9]+?)(?:[-_ ]([grizyu]))?")
_BANDS = "ugrizy"


def band_of(header: Mapping) -> str | None:
    """Band that FILTER or EXTNAME says, as in ``"z DECam SDSS c0004 9260.0 1520.0"``, ``"zd DECam k1038"``, ``IMAGE_r``; None where neither says one."""
    word = str(header.get("FILTER", header.get("BAND", ""))).strip().split(" ")[0].lower()
    if word and word[0] in _BANDS and (len(word) == 1 or re.fullmatch(r"[ugrizy](d|p|p1|_?(decam|sdss|mosaic|bass|mzls|90prime).*)", word)):
        return word[0]
    named = _EXTENSION.fullmatch(str(header.get("EXTNAME", "")).strip())
    if named is None:
        return None
    return named[2].lower() if named[2] else named[1].lower() if len(named[1]) == 1 and named[1].lower() in _BANDS else None


def kind_of(header: Mapping) -> str | None:
    """Product that IMTYPE, PRODTYPE or EXTNAME says; None where none says one."""
    for card in ("IMTYPE", "PRODTYPE", "EXTNAME"):
        word = str(header.get(card, "")).strip().lower()
        for text in (word, re.split(r"[-_ ]", word)[0]):
            if text in KINDS:
                return KINDS[text]
    return None
