"""The mask plane of a brick, by its header: wide enough for the bits of its release, and with their names."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from lenscal import schema


def bits_problem(header: fits.Header) -> str:
    """What is wrong with the bits of a mask plane, as the end of a sentence that begins with its name; empty when
    nothing is. A card that is missing is no error, nor is another spelling of the same bit.
    """
    code, width = str(header.get("DRVERSIO", "")).strip(), abs(int(header.get("BITPIX", 32))) // 8
    own = schema.release_of_code(int(code)) if code.isdigit() else None
    if own is not None and (problem := own.bits_problem(np.dtype(f"i{width}"))):
        return f": {problem}"
    for name, bit in schema.maskbits().items():
        found = str(header.get(f"MBIT_{bit}", name)).strip().upper()
        if schema.maskbits().get(found, bit) != bit:
            return f" calls bit {bit} '{found}', not '{name}'"
    return ""
