"""Figures are drawn by any number of processes, and parts of what they are drawn from are told apart."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from lenscal.report import asked, drawing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(3), np.zeros(3, "f4")),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.array([1, np.nan]), np.array([1, 0.0])),
        (pd.DataFrame({"a": ["x", None]}), pd.DataFrame({"a": ["x", "None"]})),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})),
        (xr.Dataset({"a": ("x", [1, 2])}), xr.Dataset({"a": ("y", [1, 2])})),
        (xr.Dataset({"a": ("x", [1, 2])}), xr.Dataset({"a": ("x", [1, 2])}, attrs={"b": 1})),
        (None, "None"),
        (1, True),
    ],
)
def test_parts_that_differ_have_other_digests(one, other):
    assert asked.digest(one) == asked.digest(one) != asked.digest(other)


def test_what_has_no_digest_is_never_the_same():
    @dataclasses.dataclass
    class Held:
        part: object = dataclasses.field(default_factory=object)

    digests = asked.Digests(Held())
    assert not digests.same({"part": digests["part"]})


def squared(number):
    return f"{number**2}".encode(), b"\0" * 200_000


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_numbers_of_processes_change_nothing(workers):
    found = drawing.each(squared, [7], range(5), workers)
    assert found == {number: squared(number) for number in (7, *range(5))}


def test_what_another_process_does_not_bring_is_done_here():
    here = os.getpid()

    def dies_elsewhere(number):
        if os.getpid() != here:
            os._exit(9)
        return squared(number)

    assert drawing.each(dies_elsewhere, [], range(6), 3) == {number: squared(number) for number in range(6)}


def test_an_error_of_another_process_is_raised_here():
    def wrong(number):
        if number == 4:
            raise ValueError("no such figure")
        return squared(number)

    with pytest.raises(ValueError, match="no such figure"):
        drawing.each(wrong, [], range(6), 2)
