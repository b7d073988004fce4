"""The points of a run at which the outside can fail it, counted in one thread and in one order: files, folders,
what Arrow opens, and fsync.

A point comes before the operation. `Points.at` is told of each and may raise what the disk would say.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import pickle
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

MODES = {
    "write": ("error", "full", "short", "kill"),
    "rename": ("error", "kill"),
    "remove": ("error", "kill"),
    "make": ("error", "kill"),
    "fsync": ("error", "kill"),
    "read": ("error",),
    "list": ("denied",),
}
"""What can come of each kind. Nothing changes on a disk while it is read: to be killed then is to be killed
before the next write. What takes any error of a listing for an empty folder takes the refusal (EACCES) for one;
pathlib takes only that."""
_EVENTS = {
    "open": "read",
    "os.rename": "rename",
    "os.link": "rename",
    "os.remove": "remove",
    "os.rmdir": "remove",
    "os.mkdir": "make",
    "os.scandir": "list",
    "os.listdir": "list",
    "os.truncate": "write",
}
_WHERE = {
    "os.rename": 2,
    "os.link": 2,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 2,
}  # argument that is an open folder, if any
_SHORT = 7  # bytes that a file which is cut short may have
_CHANGING = re.compile(r"\.(\d+\.)?[0-9a-f]{8}(?=\.tmp)|\.[0-9a-f]{32}(?=\.partial)")


def named(path: str) -> str:
    """A path without what differs from one run to the next in the names of unfinished files."""
    return _CHANGING.sub("", path)


def unfinished(path: str) -> bool:
    """Whether a path is that of a file or folder that a killed write leaves behind."""
    return path.endswith((".tmp", ".partial"))


@dataclass
class Points:
    """What this process does to the files below some folders; `at` is called with each kind and path."""

    folders: tuple[str, ...] = ()
    at: Callable[[str, str], None] | None = None
    full: bool = False
    hooked: bool = False
    _limit: tuple[int, int] | None = field(default=None)

    def hook(self, event: str, arguments: tuple) -> None:
        if self.at is None or event not in _EVENTS:
            return
        path = arguments[0]
        if isinstance(path, int) and event in ("os.scandir", "os.listdir"):
            path = _of_open(path)
        path = os.fsdecode(path) if isinstance(path, (str, bytes, Path)) else ""
        where = arguments[_WHERE[event]] if event in _WHERE else -1
        if where != -1 and not path.startswith("/"):
            path = f"{_of_open(where)}/{path}"
        kind = _EVENTS[event]
        if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            kind = "write"
        self.happens(kind, path)

    def happens(self, kind: str, path: str) -> None:
        """One point; those outside the folders are none."""
        if self.at is None or not path.startswith(self.folders):
            return
        if self._limit is not None and not self.full:
            resource.setrlimit(resource.RLIMIT_FSIZE, self._limit)
            self._limit = None
        if self.full and kind in ("write", "make"):
            raise _error(errno.ENOSPC, path)
        self.at(kind, path)

    def fail(self, mode: str, path: str) -> None:
        """Let this point fail, in this process."""
        if mode == "error":
            raise _error(errno.EIO, path)
        if mode == "denied":
            raise _error(errno.EACCES, path)
        self.full = mode == "full"
        self._limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (_SHORT, self._limit[1]))
        if self.full:
            raise _error(errno.ENOSPC, path)

    @contextmanager
    def told(self, at: Callable[[str, str], None]) -> Iterator[None]:
        """Tell of each point from here on."""
        if not self.hooked:
            sys.addaudithook(self.hook)
            self.hooked = True
        self.at, self.full = at, False
        try:
            yield
        finally:
            self.at = None
            self.everything_fits()

    def everything_fits(self) -> None:
        """The disk is as it was."""
        if self._limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, self._limit)
        self.full, self._limit = False, None


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


def _of_open(descriptor: int) -> str:
    return os.readlink(f"/proc/self/fd/{descriptor}")


def in_one_thread(patched: object, points: Points) -> None:
    """Let a run do all it does in this thread: the n-th point is then the same one each time, and a
    process can be forked at it.

    Zarr's event loop, threads that hash, and what watches a silent run; Arrow, which opens files without Python, tells
    of them.
    """
    import pyarrow.parquet as pq
    import zarr
    import zarr.core.sync

    from lenscal.detector import training
    from lenscal.engine.events import Events
    from lenscal.io import folders

    threaded = zarr.core.sync.sync
    for module in [
        module
        for name, module in sys.modules.items()
        if name.startswith("zarr") and getattr(module, "sync", None) is threaded
    ]:
        patched.setattr(module, "sync", _finished)
    patched.setattr(asyncio, "to_thread", _at_once)
    patched.setattr(training, "THREADS", 1)  # a fork has none of PyTorch's other threads, and would wait for them
    patched.setattr(folders, "ThreadPoolExecutor", _NoPool)
    patched.setattr(Events, "watching", lambda *_: nullcontext())
    patched.setattr(os, "fsync", _telling(points, os.fsync, "fsync", _of_open))
    patched.setattr(os, "fdatasync", _telling(points, os.fdatasync, "fsync", _of_open))
    for of, method, kind in ((pq.ParquetFile, "__init__", "read"), (pq.ParquetWriter, "__init__", "write")):
        patched.setattr(of, method, _telling_of_path(points, getattr(of, method), kind))
    patched.setattr(pq, "read_table", _telling_of_path(points, pq.read_table, "read", 0))


def _telling(points: Points, call: Callable, kind: str, path_of: Callable[[int], str]) -> Callable:
    def told(descriptor: int) -> None:
        points.happens(kind, path_of(descriptor))
        call(descriptor)

    return told


def _telling_of_path(points: Points, call: Callable, kind: str, place: int = 1) -> Callable:
    """A call that opens a file in C++, told of before; as Arrow says it, its error has a
    number and no name of a file.
    """

    def told(*arguments: object, **named: object) -> object:
        if isinstance(arguments[place], (str, Path)):
            try:
                points.happens(kind, str(arguments[place]))
            except OSError as error:
                raise OSError(
                    error.errno, f"Error in a file of Arrow. Detail: [errno {error.errno}] {error.strerror}"
                ) from None
        return call(*arguments, **named)

    return told


class _NoPool:
    """Of threads: each call is done at once."""

    def __init__(self, *_: object) -> None:
        self.map = map

    def __enter__(self) -> _NoPool:
        return self

    def __exit__(self, *_: object) -> None:
        pass


async def _at_once(call: Callable, *arguments: object, **named: object) -> object:
    return call(*arguments, **named)


_LOOPS: list[asyncio.AbstractEventLoop] = []
os.register_at_fork(
    after_in_child=lambda: asyncio.events._set_running_loop(_LOOPS[-1] if _LOOPS else None)
)  # a fork goes on in it


def _finished(coroutine: object, loop: object = None, timeout: float | None = None) -> object:
    """What a coroutine gives, in a loop of this thread, also below another one."""
    asyncio.events._set_running_loop(None)
    _LOOPS.append(asyncio.new_event_loop())
    try:
        return _LOOPS[-1].run_until_complete(coroutine)
    finally:
        _LOOPS.pop().close()
        asyncio.events._set_running_loop(_LOOPS[-1] if _LOOPS else None)


def drawn_once(patched: object) -> None:
    """Pages and figures, seconds each, are drawn once from the same numbers, also by forks of this process; images are
    made before, so that the same files are read each time, and no figure is taken from an earlier report.
    """
    from lenscal import quality, report
    from lenscal.audit.images import gallery_images
    from lenscal.audit.stages import report as stage

    patched.setattr(stage, "_rendered", gallery_images)
    patched.setattr(stage, "_earlier", _nothing_earlier)
    for module, name in ((report, "write"), (quality, "page")):
        patched.setattr(module, name, _remembered(getattr(module, name)))


def _nothing_earlier(run: object) -> None:
    """In place of the files of a report that is set aside."""


def _remembered(draw: Callable) -> Callable:
    known: dict[bytes, object] = {}

    def drawn(*arguments: object, **named: object) -> object:
        key = hashlib.blake2b(pickle.dumps((arguments, named))).digest()
        if key not in known:
            known[key] = draw(*arguments, **named)
        return known[key]

    return drawn
