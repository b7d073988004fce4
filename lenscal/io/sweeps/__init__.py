"""Sweep and Tractor files of the survey: which there are (`listing`), their columns (`columns`), rows (`files`).

What reads FITS is imported when it is first asked for: which files there are is known without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lenscal.io.regions import region_of

from .listing import SweepError, box_of, label_of, name_of, not_here, stem_of, sweep_files, version

if TYPE_CHECKING:
    from .columns import SWEEP_COLUMNS, sweep_columns
    from .files import SweepFile, read_sweep

_LATER = {"SWEEP_COLUMNS": "columns", "sweep_columns": "columns", "SweepFile": "files", "read_sweep": "files"}

__all__ = [
    "SWEEP_COLUMNS",
    "SweepError",
    "SweepFile",
    "box_of",
    "label_of",
    "name_of",
    "not_here",
    "read_sweep",
    "region_of",
    "stem_of",
    "sweep_columns",
    "sweep_files",
    "version",
]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
