"""The truth of an embedded sky, by the keys that its catalogue has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import keys


def read_truth(root: str | Path) -> pd.DataFrame:
    """The table of truth with the galaxy_id of each object; of a sky of both regions in the region that keeps it."""
    folder = Path(root) / "truth"
    truth = pd.read_parquet(folder / "truth.parquet")
    if "release" in truth:
        release = truth["release"]
    else:
        release = pd.read_parquet(folder / "bricks.parquet").set_index("brickid")["release"].loc[truth["brickid"]]
    objid, brickid, code = (np.asarray(one, np.int64) for one in (truth["objid"], truth["brickid"], release))
    return truth.assign(galaxy_id=keys.pack(objid, brickid, code))
