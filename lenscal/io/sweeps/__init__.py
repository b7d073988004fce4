"""Sweep and Tractor files of the survey: which there are (`listing`), their columns (`columns`), rows (`files`)."""

from .columns import SWEEP_COLUMNS
from .files import SweepFile, read_sweep
from .listing import SweepError, name_of, not_here, stem_of, sweep_files, version

__all__ = [
    "SWEEP_COLUMNS",
    "SweepError",
    "SweepFile",
    "name_of",
    "not_here",
    "read_sweep",
    "stem_of",
    "sweep_files",
    "version",
]
