"""What a run is expected to take and cost, stage by stage, before anything is started: measured costs of a row, an
image and a trial, times how many the run file asks for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lenscal.config import Settings

TABLE = Path(__file__).with_name("costs.yaml")
MEASURED_BANDS = 3  # of what the table was measured with
_OF_PIXELS = ("cutout", "trial", "brick from a bucket", "image of an epoch")


@dataclass(frozen=True)
class Work:
    """How much a run file asks for."""

    rows: float
    """Rows of the sweeps."""
    cutouts: float
    trials: float
    images: float
    """Images that training looks at, all epochs together."""
    detectors: int = 1
    """Detectors that give scores: the trials are rendered and scored for each."""
    remote: bool = False
    """Whether bricks are fetched from a bucket."""
    bands: int = MEASURED_BANDS
    """Of the cutouts: pixels cost in proportion, at most (benchmarks/bands.py)."""


@dataclass(frozen=True)
class Cost:
    """Of one stage."""

    stage: str
    core_hours: float
    hours: float
    """On the clock."""
    dollars: float
    by: str
    """What the cost of a unit was measured with."""


@dataclass(frozen=True)
class Rates:
    """What machines give and cost."""

    cores: float
    """Of all machines of workers together, at most."""
    dollars_hour: float
    """Of all of them."""
    waiting_hour: float
    """Of the scheduler and the fewest machines of workers, dollars an hour."""


@lru_cache(maxsize=1)
def table() -> dict[str, Any]:
    """The table of measured costs."""
    return yaml.safe_load(TABLE.read_text())


def work_of(settings: Settings, files: int | None, positives: int | None = None) -> Work:
    """How much a run file asks for.

    Parameters
    ----------
    settings : Settings
    files : int, optional
        Sweep files of the survey; None for one without a catalogue.
    positives : int, optional
        Known lenses in them; by the density of the survey's candidates where it is not known.
    """
    sizes = table()["sizes"]
    rows = (files or 0) * sizes["rows_a_sweep"]
    lenses = positives if positives is not None else (files or 0) * sizes["positives_a_sweep"]
    cutouts = lenses * (1 + settings.manifest.negatives_per_positive + settings.manifest.controls_per_positive)
    grid = settings.injections.grid
    cells = math.prod(len(getattr(grid, name).centres) for name in type(grid).model_fields)
    trials = cells * settings.injections.trials
    training = settings.detector.training
    share = settings.manifest.split_fractions[0]
    epoch = (training.positives_per_epoch or share * lenses) + (training.negatives_per_epoch or share * cutouts)
    images = 0.0 if settings.detector.artifact else training.epochs * epoch
    remote, bands = "://" in str(settings.survey.root), len(settings.survey.bands)
    return Work(rows, cutouts, trials, images, remote=remote, bands=bands)


def expected(work: Work, rates: Rates) -> list[Cost]:
    """Core-hours, hours and dollars of each stage; the last line is what machines cost until the first block."""
    found = []
    measured = table()
    for stage, units in measured["stages"].items():
        seconds = sum(unit["core_s"] * _count(stage, unit["unit"], work) for unit in units)
        core_hours = seconds / 3600 / measured["efficiency"]
        hours = core_hours / rates.cores
        dollars = hours * rates.dollars_hour + hours * rates.waiting_hour
        found.append(Cost(stage, core_hours, hours, dollars, units[0]["by"]))
    for stage, unit in measured["driver"].items():
        hours = unit["s"] * _count(stage, unit["unit"], work) / 3600
        found.append(Cost(stage, 0.0, hours, hours * rates.waiting_hour, unit["by"]))
    start = measured["machine_start_s"] / 3600
    found.append(Cost("starting", 0.0, start, start * (rates.dollars_hour + rates.waiting_hour), "planned"))
    return found


def _count(stage: str, unit: str, work: Work) -> float:
    sizes = table()["sizes"]
    counts: Mapping[str, float] = {
        "row of the sweeps": work.rows,
        "cutout": work.cutouts,
        "trial": work.trials,
        "brick from a bucket": work.cutouts / sizes["cutouts_a_brick"] if work.remote else 0.0,
        "image of an epoch": work.images,
        "run": 1.0,
    }
    more = work.bands / MEASURED_BANDS if unit in _OF_PIXELS else 1.0
    return counts[unit] * more * (work.detectors if stage == "scores" else 1)


def stored_gb(work: Work) -> float:
    """What the stores of a run take, in GB."""
    sizes = table()["sizes"]
    pixels = work.cutouts * work.bands / MEASURED_BANDS
    parts = ((work.rows, "bytes_a_row"), (pixels, "bytes_a_cutout"), (work.trials, "bytes_a_trial"))
    return sum(count * sizes[name] for count, name in parts) / 1e9


def block_gb(settings: Settings) -> float:
    """Memory that the largest block of a run needs, in GB: images and their inverse variances as they are read,
    filtered and written, four times over, beside what Python and the libraries take.
    """
    side = settings.cutouts.size
    images = max(settings.cutouts.block, settings.quality.block) * len(settings.survey.bands) * side**2 * 4 * 3
    scored = (
        settings.scores.batch * len(settings.detector.bands) * settings.detector.size**2 * 4 * 60
    )  # the layers of a ResNet18
    return (4 * images + scored) / 1e9 + 0.8
