"""Tables, figures and one JSON of the experiments of a run, below its stores."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal.audit.products import Run
from lenscal.io import stores

FOLDER = "experiments"


def write(run: Run, results: dict[str, tuple[dict, dict[str, pd.DataFrame]]], asked: dict) -> Path:
    """Write experiments.json, tables (Parquet and CSV) and figures; the folder comes back. Experiments that were not
    asked for stay as they were.

    Parameters
    ----------
    run : Run
    results : mapping of name to (summary, tables)
        Of the experiments that were made.
    asked : dict
        What was asked for: lenses, seed and the like.
    """
    from lenscal.report.figures import experiments as figures

    folder = run.path(FOLDER)
    path = folder / "experiments.json"
    whole = json.loads(path.read_text()) if path.exists() else {}
    if whole.get("detector") != run.detector.hash:
        whole = {}  # of another detector
    whole |= {
        "run": run.settings.name,
        "mock": bool(run.settings.survey.mock),
        "detector": run.detector.hash,
        **run.not_scientific,
    }
    for name, (summary, tables) in results.items():
        records = {key: table.to_dict("records") for key, table in tables.items() if not key.endswith("_lenses")}
        whole[name] = strict({"asked": asked, **summary, "tables": records})
        for key, table in tables.items():
            stores.write_table(folder / f"{key}.parquet", table)
            stores.write_bytes(folder / f"{key}.csv", table.to_csv(index=False, lineterminator="\n").encode())
        for suffix, content in figures.draw(name, summary, tables).items():
            stores.write_bytes(folder / f"{name}.{suffix}", content)
    stores.write_bytes(path, (json.dumps(whole, indent=1, allow_nan=False) + "\n").encode())
    return folder


def strict(value: object) -> object:
    """The same for strict JSON: numbers of NumPy as plain ones, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(key): strict(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict(one) for one in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
