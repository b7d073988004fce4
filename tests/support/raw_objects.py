"""What several test modules build on; taken by those of `test_objects.py` first."""

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.io import sweeps


def raw_of(rows=6, **changes):
    """Sweep columns of good objects, some values changed."""
    out = {}
    for name in sweeps.SWEEP_COLUMNS:
        variable = schema.GALAXIES.variables.get(name.lower())
        kind = variable.dtype if variable else "f4"
        out[name] = np.full(rows, "0105p050") if kind == "str" else np.ones(rows, kind)
    for band in "GRZ":
        out[f"PSFDEPTH_{band}"], out[f"GALDEPTH_{band}"] = np.full(rows, 1000.0, "f4"), np.full(rows, 600.0, "f4")
    out |= {
        "TYPE": np.full(rows, "SER"),
        "RA": 10.0 + np.arange(rows),
        "DEC": np.zeros(rows),
        "OBJID": np.arange(rows, dtype="i4"),
    }
    for name, values in changes.items():
        out[name] = np.asarray(values)
    return pd.DataFrame(out)
