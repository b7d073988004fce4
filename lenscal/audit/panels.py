"""The blind panel of real and injected arcs, and where the images of each come from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.audit.products import Run


def panel(run: Run, real: pd.DataFrame, matched: pd.DataFrame) -> pd.DataFrame:
    """The blind panel: number, kind, and where each image comes from, with the columns of a gallery."""
    from lenscal import realism

    table = realism.panel(real, matched, run.settings.realism, run.settings.seed)
    injections = run.store("injections")
    for dim in schema.AXES:
        values = injections[dim].values
        table[dim] = [float(values[i]) if i >= 0 else np.nan for i in table[f"i_{dim}"]]
    return table.rename(columns={"i_trial": "trial"}).drop(columns=[f"i_{dim}" for dim in schema.AXES])
