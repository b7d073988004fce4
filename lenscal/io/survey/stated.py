"""What the header of a plane of a brick says of its numbers: unit, zero point, bits."""

from __future__ import annotations

from astropy.io import fits

from lenscal import schema
from lenscal.io import units

from .bits import bits_problem

UNITS = {"image": "nanomaggy", "invvar": "1/nanomaggy^2", "psfsize": "arcsec"}


def stated_problem(header: fits.Header, product: str) -> str:
    """What is wrong with it, as the end of a sentence that begins with the name of the file; empty when nothing is."""
    if product in UNITS and (problem := units.problem(header.get("BUNIT"), UNITS[product])):
        return f" {problem}"
    if product == "image" and "MAGZERO" in header and abs(float(header["MAGZERO"]) - schema.ZEROPOINT) > 1e-6:
        return f" has zero point {header['MAGZERO']}, not {schema.ZEROPOINT}"
    return bits_problem(header) if product == "maskbits" else ""
