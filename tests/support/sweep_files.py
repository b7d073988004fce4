"""What several test modules build on; taken by those of `test_sweeps.py` first."""

import numpy as np
from astropy.io import fits

from lenscal import schema
from lenscal.io import sweeps


def sweep_columns(rows=5, type_width=3):
    """Columns of a sweep file, big-endian as FITS has them, and some that lenscal does not read."""
    rng = np.random.default_rng(0)
    out = {}
    for name in sweeps.SWEEP_COLUMNS:
        variable = schema.GALAXIES.variables.get(name.lower())
        if name == "TYPE":
            out[name] = np.resize(np.array(["PSF", "REX", "EXP", "DEV", "SER", "DUP"], f"S{type_width}"), rows)
        elif name == "BRICKNAME":
            out[name] = np.full(rows, b"0105p050", "S8")
        elif variable is not None and variable.dtype.startswith("i"):
            out[name] = np.arange(1, rows + 1).astype(
                ">i2" if name.startswith(("NOBS", "RELEASE", "FITBITS")) else ">i4"
            )
        elif name in ("RA", "DEC"):
            out[name] = (10 + rng.random(rows)).astype(">f8")
        else:
            out[name] = rng.random(rows).astype(">f4") + np.float32(0.1)
    out["DCHISQ"] = rng.random((rows, 5)).astype(">f4")
    out["FLUX_I"] = rng.random(rows).astype(">f4")
    return out


def write(path, columns):
    path.parent.mkdir(exist_ok=True)
    table = np.rec.fromarrays(
        list(columns.values()),
        names=list(columns),
        formats=[f"{v.shape[1:] or ''}{v.dtype.str}" for v in columns.values()],
    )
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(table)]).writeto(path)
    return path
