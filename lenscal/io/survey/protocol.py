"""What a survey is to a run: rows or a catalogue to draw them from, pixels about each row, and what both depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd
import xarray as xr

FileHash = Callable[[Path], str]


@runtime_checkable
class Survey(Protocol):
    """Pixels of a sky.

    Two kinds there are: one with a catalogue of objects, from whose sweeps a sample is drawn, and with bricks of known
    area; and one that is its own sample, such as sets of stamps.
    """

    has_catalogue: bool
    """Whether it has sweeps and bricks; without, `rows` gives its sample."""

    def check(self) -> list[str]:
        """Refuse what is not there or not as expected, before any work; sentences on what was found."""

    def tables(self) -> list[Path]:
        """Files of the tables of bricks; none without a catalogue."""

    def pixel_inputs(self, hash_of: FileHash) -> dict[str, object]:
        """What the pixels depend on beyond the rows, by name; of files that blocks look after themselves
        (`version`) there is none.
        """

    def read(self, rows: pd.DataFrame, size: int) -> xr.Dataset:
        """Pixels about rows (galaxy_id, ra, dec, brickname), in their order: the variables of
        `lenscal.io.empty.unread`, as float32, NaN where nothing was observed.

        A row without pixels stays, with the reason in `failure`.
        """
