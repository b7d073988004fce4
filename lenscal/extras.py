"""Libraries that come with an extra: where one is absent, one sentence says what installs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lenscal.errors import LenscalError

EXTRA_OF = {
    "torch": "detector",
    "safetensors": "detector",
    "onnx": "onnx",
    "onnxruntime": "onnx",
    "openvino": "openvino",
    "h5py": "hdf5",
    "galsim": "mock",
    "lsdb": "lsdb",
    "rocrate": "release",
    "h5netcdf": "release",
    "mocpy": "release",
    "dask_cloudprovider": "ec2",
}
"""The extra that brings each optional library."""
NEEDED_FOR = {
    "hdf5": "reading and writing HDF5",
    "onnx": "asking a detector in ONNX",
    "openvino": "asking a detector in ONNX through OpenVINO",
    "detector": "training a detector and asking it for scores",
    "mock": "drawing the embedded sky",
    "lsdb": "opening galaxies with LSDB",
    "ec2": "starting workers in EC2",
    "release": "writing a release or the region of a map (MOC)",
}


def fix(library: str) -> str:
    """The command that installs an optional library; empty where it is installed. Nothing is imported.

    Parameters
    ----------
    library : str
        One of `EXTRA_OF`.
    """
    from importlib.util import find_spec

    try:
        found = find_spec(library) is not None
    except (ImportError, ValueError):
        found = False
    return "" if found else f"pip install 'lenscal[{EXTRA_OF[library]}]'"


def need(library: str) -> None:
    """Refuse to go on without an optional library; nothing is imported.

    Raises
    ------
    MissingExtra
        It is not installed.
    """
    if command := fix(library):
        raise MissingExtra(_said(library, command), name=library)


def _said(library: str, command: str) -> str:
    return f"{NEEDED_FOR[EXTRA_OF[library]]} needs {library}, which is not installed; install it with: {command}"


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
        if library not in EXTRA_OF or not (
            command := fix(library)
        ):  # a library that is there and broken is another fault
            raise
        raise MissingExtra(_said(library, command), name=library) from error
