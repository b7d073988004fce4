"""Training images that are too many for memory: kept in a file without a name, read in any order."""

import os
from collections import namedtuple

import numpy as np
import pytest

from lenscal.detector import spilled
from lenscal.detector.spilled import SpaceError, Spilled

SHAPE = (2, 5, 5)


def test_rows_come_back_in_any_order_and_leave_nothing_behind(tmp_path):
    rows = np.random.default_rng(1).normal(size=(40, *SHAPE)).astype(np.float32)
    rows[3, 0, 1, 2] = np.nan
    kept = Spilled(40, SHAPE, tmp_path)
    for part in (rows[:7], rows[7:8], rows[8:]):
        kept.append(part)
    order = [39, 3, 3, 0, 12]
    np.testing.assert_array_equal(kept[np.array(order)], rows[order])
    assert kept[np.array([], int)].shape == (0, *SHAPE)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_system_takes_in_parts_is_whole(tmp_path, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(spilled.os, "pwrite", lambda file, content, at: real(file, content[:33], at))
    rows = np.arange(3 * 50, dtype=np.float32).reshape(3, *SHAPE)
    kept = Spilled(3, SHAPE, tmp_path)
    kept.append(rows)
    np.testing.assert_array_equal(kept[np.array([2, 0, 1])], rows[[2, 0, 1]])


def test_a_disk_without_room_is_named_before_anything_is_read(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(spilled.shutil, "disk_usage", lambda folder: usage(10, 9, 1000))
    with pytest.raises(SpaceError, match=r"450,000 training images take 0\.1 GB, and the disk of .* has 0\.0 GB free"):
        Spilled(450_000, SHAPE, tmp_path)


def test_a_disk_that_fails_is_named(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    kept = Spilled(4, SHAPE, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(spilled.os, "pwrite", full)
        with pytest.raises(SpaceError, match=r"cannot be written to .*No space left on device"):
            kept.append(np.zeros((4, *SHAPE), np.float32))
    with pytest.raises(SpaceError, match="read in part"):
        kept[np.array([2])]
