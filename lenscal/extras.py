"""Libraries that come with an extra: where one is absent, one sentence says what installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lenscal.errors import LenscalError

EXTRA_OF = {"torch": "detector", "galsim": "mock", "lsdb": "lsdb", "dask_cloudprovider": "ec2"}
"""The extra that brings each optional library."""
NEEDED_FOR = {
    "detector": "training a detector and asking it for scores",
    "mock": "drawing the embedded sky",
    "lsdb": "opening galaxies with LSDB",
    "ec2": "starting workers in EC2",
}


class MissingExtra(LenscalError, ImportError):
    """A library of an extra is not installed; the message names the extra."""


@contextmanager
def named() -> Iterator[None]:
    """Turn the import error of an optional library into `MissingExtra`; others pass as they are.

    Raises
    ------
    MissingExtra
        An import inside the block fails because a library in `EXTRA_OF` is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library not in EXTRA_OF:
            raise
        extra = EXTRA_OF[library]
        raise MissingExtra(f"{NEEDED_FOR[extra]} needs {library}, which is not installed; install it with: pip install 'lenscal[{extra}]'", name=library) from error
