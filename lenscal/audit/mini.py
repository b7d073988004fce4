"""The mini test of a run file: a part of its survey and its trials that reaches every stage, in stores of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lenscal.config import Settings

SWEEPS, WORKERS = 4, 2
"""Sweep files of the part, and machines of workers."""
SUFFIX = "-mini"
_AT_MOST: dict[str, dict[str, int]] = {
    "manifest": {"negatives_per_positive": 12, "rows_min": 50, "types_min": 3, "controls_per_positive": 0},
    "injections": {"trials": 8, "hosts_min": 3, "lenses_min": 8},
    "completeness": {"trials_min": 8, "hosts_min": 3},
    "realism": {"sensitivity_injections": 8, "splits": 100, "panel": 2, "anchors_min": 2},
    "scores": {"resamples": 100, "counterfactuals": 8},
}
_TRAINING = {
    "epochs": 1,
    "batch": 32,
    "positives_per_epoch": 16,
    "negatives_per_epoch": 48,
    "val_negatives": 30,
}


def mini(settings: Settings) -> Settings:
    """Settings of the mini test: the sweeps that hold most known lenses, two bins of each axis, few trials, one epoch.

    Parameters
    ----------
    settings : Settings
        Of the whole run; its stores stay as they are.
    """
    raw = settings.model_dump()
    raw["name"] += SUFFIX
    raw["stores"] = str(settings.stores).rstrip("/") + SUFFIX
    raw["survey"]["sweeps"] = raw["survey"]["sweeps"] or _sweeps(settings)
    for section, limits in _AT_MOST.items():
        raw[section] |= {key: min(raw[section][key], most) for key, most in limits.items()}
    training = raw["detector"]["training"]
    training |= {key: most if training[key] is None else min(training[key], most) for key, most in _TRAINING.items()}
    grid = settings.injections.grid
    raw["injections"]["grid"] = {name: _middle(getattr(grid, name)) for name in type(grid).model_fields}
    raw["injections"]["allocation"] = None
    raw["report"]["depth"] = None
    if settings.cluster.ec2 is not None:
        hours = min(4, settings.cluster.ec2.lifetime_hours)
        raw["cluster"]["ec2"] |= {"workers": (WORKERS, WORKERS), "lifetime_hours": hours}
    return Settings.model_validate(raw)


def _middle(axis: Any) -> dict[str, float]:
    """Two bins in the middle of an axis, or its only one."""
    centres = axis.centres
    last = len(centres) // 2
    return {"start": float(centres[max(0, last - 1)]), "stop": float(centres[last]), "step": axis.step}


def _sweeps(settings: Settings) -> list[str]:
    """Names of the sweep files that hold most known lenses; none for a survey without a catalogue."""
    from lenscal.audit import outside
    from lenscal.audit.surveys import survey_of
    from lenscal.io import sweeps

    if not survey_of(settings).has_catalogue:
        return []
    files = sweeps.sweep_files(settings.survey.root, region=settings.survey.region)
    lenses = outside.read(settings).lenses
    held = [_held(lenses, sweeps.box_of(path)) for path in files]
    order = sorted(range(len(files)), key=lambda i: (-held[i], i))[:SWEEPS]
    return list(dict.fromkeys(sweeps.stem_of(files[i]) for i in sorted(order)))  # of both regions some have one name


def _held(lenses: pd.DataFrame, box: tuple[float, float, float, float]) -> int:
    ra, dec = lenses["ra"].to_numpy(float), lenses["dec"].to_numpy(float)
    ra1, ra2, dec1, dec2 = box
    return int(np.count_nonzero((ra >= ra1) & (ra < ra2) & (dec >= dec1) & (dec < dec2)))


def pools_and_splits(settings: Settings) -> list[tuple[str, str, int]]:
    """Rows of the manifest of a run by pool and split, for a look."""
    from lenscal.audit.products import Run

    table = Run(settings).table("manifest")
    counts = table.groupby(["pool", "split"], observed=True).size()
    return [(str(pool), str(split), int(rows)) for (pool, split), rows in counts.items()]
