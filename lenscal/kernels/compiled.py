"""Where compiled kernels are kept: a folder named after the content of all kernels.

Numba keeps a compiled function as long as its own file is unchanged, even when a function that it calls in another file
has changed. Importing this module before the kernels are declared gives every version of the kernels a folder of its
own.

Rounding must not follow what was compiled before. So a kernel that is kept calls none that is kept (machine code from
the folder cannot be inlined), and what it calls with relaxed arithmetic is inlined by force: left as a function of its
own it is there twice in the process that compiles it, and once, rounding otherwise, in those that load it.
"""

import atexit
import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.registry import CPUDispatcher

FOLDER = Path(__file__).resolve().parent


def digest() -> str:
    """Short hash of the sources of all kernels."""
    whole = hashlib.blake2b(digest_size=8)
    for path in sorted(FOLDER.glob("*.py")):
        whole.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def _base() -> Path:
    """Where compiled kernels can be kept: as the user says, beside the sources, in the user's
    cache, or in a temporary folder.

    Raises
    ------
    OSError
        Nothing of this can be written.
    """
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    cache = os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # there is no home
        cache = cache or Path.home() / ".cache"
    for place in [FOLDER / "__pycache__", *([Path(cache) / "lenscal"] if cache else [])]:
        if _writable(place):
            return place
    try:
        place = Path(tempfile.mkdtemp(prefix="lenscal-kernels-"))
    except OSError:
        raise OSError(
            "compiled kernels can be kept nowhere: set NUMBA_CACHE_DIR to a folder that can be written"
        ) from None
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)  # of the processes that this one starts
    print(
        "lenscal: compiled kernels cannot be kept beside the package or in the user's cache; each run compiles them "
        f"anew in '{place}' (set NUMBA_CACHE_DIR to keep them)",
        file=sys.stderr,
    )
    return place


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


numba.config.CACHE_DIR = str(_base() / f"kernels-{digest()}")

WAIT_S = 300.0
"""Seconds after which a kernel is compiled although another process seems to be at it."""


class _Once(FunctionCache):
    """The kept code of one kernel, which one process compiles: others that want it meanwhile wait, and load it. Two
    workers of a run would spend twice the time, on the cores that they have to share.
    """

    _lock: int | None = None

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        self._release()  # of a kernel that could not be compiled
        found = super().load_overload(sig, target_context)
        if found is None and self._enabled:
            self._hold()
            found = super().load_overload(sig, target_context)
            if found is not None:
                self._release()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        finally:
            self._release()

    def _hold(self) -> None:
        until = time.monotonic() + WAIT_S
        with suppress(OSError):  # a file system without locks: compiled by all, as Numba does
            self._lock = os.open(Path(self._cache_path) / f"{self._impl.filename_base}.lock", os.O_RDWR | os.O_CREAT)
            while True:
                try:
                    return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > until:
                        return None
                    time.sleep(0.05)

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def kept(**options: Any) -> Callable[[Callable], Any]:
    """`numba.njit` of a kernel whose machine code is kept and runs without the lock of Python; further options as it
    takes them.
    """

    def of(function: Callable) -> Any:
        kernel = numba.njit(cache=True, nogil=True, **options)(function)
        kernel._cache = _Once(kernel.py_func)
        return kernel

    return of


class _Inner(CPUDispatcher):
    """A function that only kernels call; Numba leaves the process when Python calls one without its wrapper."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"'{self.py_func.__module__}.{self.py_func.__qualname__}' is called by compiled kernels only")


def inner(**options: Any) -> Callable[[Callable], Any]:
    """`numba.njit` of a function that only kernels call: without what Python would call it by, which takes as long to
    compile as a short function itself.
    """

    def of(function: Callable) -> Any:
        part = numba.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)(function)
        part.__class__ = _Inner
        return part

    return of
