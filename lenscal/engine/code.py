"""The code that works: blocks of one stage are made by one code, whoever makes them."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import lenscal
from lenscal.engine.errors import PlanError
from lenscal.io import folders

_PACKAGE = Path(lenscal.__file__).parent


def _sources_now() -> str:
    """Hash of lenscal's own sources as they are on disk; empty while some of them are being replaced."""
    try:
        return _sources_of(
            tuple(
                sorted(
                    (name, version)
                    for name, version in folders.inventory(_PACKAGE).items()
                    if name.endswith((".py", ".yaml"))
                )
            )
        )
    except OSError:
        return ""


@lru_cache(maxsize=2)
def _sources_of(files: tuple[tuple[str, str], ...]) -> str:
    """Of the content of these files; they are read again only where one has another version."""
    total = hashlib.blake2b(digest_size=16)
    for name, _ in files:
        total.update(f"{name}\0".encode() + (_PACKAGE / name).read_bytes() + b"\0")
    return total.hexdigest()


_LOADED = _sources_now()  # when this process began: modules that are loaded later must be of the same sources


def code() -> str:
    """Hash of the sources of lenscal that this process works with: blocks of one stage are made by one code, or all
    again. A finished stage stays as it is.
    """
    return _LOADED


def same_code(wanted: str) -> None:
    """Hold the sources that this process works with against those of the plan, and against those on disk.

    Raises
    ------
    PlanError
        They differ: a worker was started before an update, or lenscal was updated while the run was at work.
    """
    if code() != wanted:
        raise PlanError(
            "this worker was started with other sources of lenscal than the run; start the "
            "workers anew and run again to go on"
        )
    if _sources_now() != _LOADED:
        raise PlanError(
            "lenscal's own sources were changed while the run was at work; run again: a stage that the old ones began "
            "is made again by the new ones"
        )
