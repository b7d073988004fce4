"""A file that is read through another closes what it opened, once, and complains of nothing
where nothing was opened.
"""

import gc
import io
import sys

import pytest

from lenscal.io.checksums import Hashed
from lenscal.io.remote import RemoteFile
from lenscal.io.wrapped import Wrapped


@pytest.fixture
def ignored(monkeypatch):
    """What Python says of errors that nobody can catch."""
    found = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    return found


class Refusing(Wrapped):
    def __init__(self):
        raise ValueError("nothing to open")


@pytest.mark.parametrize(
    "make", [Refusing, lambda: Hashed(), lambda: Wrapped(), lambda: RemoteFile("memory://nowhere/file.fits")]
)
def test_a_file_that_was_never_opened_closes_without_a_complaint(make, ignored):
    with pytest.raises((ValueError, TypeError, OSError)):
        make()
    gc.collect()
    assert ignored == []


@pytest.mark.parametrize("kind", [Wrapped, Hashed])
def test_the_file_below_is_closed_with_it_and_twice_is_once(kind):
    below = io.BytesIO(b"SIMPLE")
    file = kind(below)
    file.close()
    file.close()
    assert below.closed
