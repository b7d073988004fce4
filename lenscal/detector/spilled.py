"""Arrays of one shape on disk, written one after the other and read in any order: what is too much for memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np

from lenscal.errors import LenscalError


class SpaceError(LenscalError, OSError):
    """The disk does not take or give what was asked of it."""


class Spilled:
    """Rows of float32 in a file without a name, which is gone with the process, however that ends.

    Parameters
    ----------
    count : int
        Rows that will be written.
    shape : tuple of int
        Of a row.
    folder : Path, optional
        On the disk to use; the system's folder for temporary files by default.

    Raises
    ------
    SpaceError
        The disk has not the room.
    """

    def __init__(self, count: int, shape: tuple[int, ...], folder: Path | None = None) -> None:
        self._shape, self._row, self._end = shape, int(np.prod(shape)) * 4, 0
        self._where = Path(folder or tempfile.gettempdir())
        self._where.mkdir(parents=True, exist_ok=True)
        need, free = count * self._row, shutil.disk_usage(self._where).free
        if need > free:
            raise SpaceError(
                f"detector: {count:,} training images take {need / 1e9:.1f} GB, and the disk of {self._where} has "
                f"{free / 1e9:.1f} GB free; free some, raise detector.training.memory_gb, or train on fewer "
                "(negatives_per_epoch)"
            )
        self._file = tempfile.TemporaryFile(dir=self._where, buffering=0)  # noqa: SIM115  # open as long as this is

    def append(self, rows: np.ndarray) -> None:
        """Write rows (n, *shape) after those that are there."""
        content = memoryview(np.ascontiguousarray(rows, np.float32)).cast("B")
        try:
            while content:
                done = os.pwrite(self._file.fileno(), content, self._end)
                content, self._end = content[done:], self._end + done
        except OSError as error:
            raise SpaceError(f"detector: training images cannot be written to {self._where}: {error}") from error

    def __getitem__(self, places: np.ndarray) -> np.ndarray:
        """Rows at these places, in their order; places may repeat."""
        out = np.empty((len(places), *self._shape), np.float32)
        for row, place in zip(out, places):
            found = os.preadv(self._file.fileno(), [memoryview(row).cast("B")], int(place) * self._row)
            if found != self._row:
                raise SpaceError(
                    f"detector: a training image was read in part from {self._where} ({found} of {self._row} bytes); "
                    "check the disk, and run again"
                )
        return out
