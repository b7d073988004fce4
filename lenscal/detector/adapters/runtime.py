"""What a form of detector gives: a way to ask it, and all that decides its answer beside the pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from lenscal.errors import InputError


@dataclass(frozen=True)
class Runtime:
    """A detector that can be asked.

    Attributes
    ----------
    ask : callable
        From a batch of images, as the declaration says, to one number an image, or several.
    about : dict
        JSON values that decide a score: library and its version class, numeric settings, digests of files and of code.
    files : tuple of Path
        What the detector was read from; a run keeps copies of them.
    tile : int or None
        Images that it has to be given at once: missing ones are made up of zeros. None takes any number.
    facts : dict
        What was found in the artifact and decides nothing: shapes, names.
    """

    ask: Callable[[np.ndarray], object]
    about: dict[str, object]
    files: tuple[Path, ...] = ()
    tile: int | None = None
    facts: dict[str, object] = field(default_factory=dict)


def release(library: str) -> str:
    """Major and minor version of an installed library: what may change the digits of a score."""
    try:
        return ".".join(version(library).split("+")[0].split(".")[:2])
    except PackageNotFoundError:
        return "unknown"


def digest(path: Path) -> str:
    """BLAKE2b (64 hex digits) of a file's content.

    Raises
    ------
    InputError
        It is not there.
    """
    if not path.is_file():
        raise InputError(f"detector: '{path}' is missing; put it where it is named, or correct the name")
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).hexdigest()


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """Digest of each file by its name.

    Raises
    ------
    InputError
        One is not there, or two have one name.
    """
    found: dict[str, str] = {}
    for path in paths:
        if path.name in found:
            raise InputError(f"detector: two of its files are called '{path.name}'; give one of them another name")
        found[path.name] = digest(path)
    return found
