"""Locks that keep two processes out of one folder, and go with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from .folders import StoreError, is_remote, saying


@contextmanager
def alone(
    folder: Path,
    name: str = "lock",
    taken: str = "another run (process {process}) is at work in '{above}'; wait for it or stop it",
) -> Iterator[None]:
    """Nobody else writes in this folder meanwhile; the lock goes with the process that holds it, however it ends.

    A bucket has no such lock: do not start two runs on one prefix.

    Raises
    ------
    StoreError
        Another process holds it.
    """
    if is_remote(folder):
        yield
        return
    file = folder / name
    with saying(file, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = file.open("a+")
    with lock:
        try:
            _lock(lock, wait=False)
        except BlockingIOError:
            lock.seek(0)
            raise StoreError(taken.format(process=lock.read().strip() or "unknown", above=folder.parent)) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def _lock(file: IO, wait: bool) -> None:
    """Lock an open file, by flock or, on a file system that has none, as POSIX does (fcntl), until the
    process ends or it is closed.

    Raises
    ------
    BlockingIOError
        Another process holds it, and `wait` is False.
    StoreError
        The file system has neither.
    """
    how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    refused: OSError | None = None
    for lock in (fcntl.flock, fcntl.lockf):
        try:
            lock(file, how)
            return
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES) and not wait:
                raise BlockingIOError(error.errno, str(error)) from None
            refused = error
            if error.errno not in _NO_LOCKS:
                break
    raise StoreError(
        f"'{file.name}' cannot be locked ({refused.strerror or refused}): its file system has no locks (flock, "
        "fcntl), as some network mounts have none; put this folder (stores of the run file, TMPDIR) on another file "
        "system, or mount it with locks"
    ) from refused


@contextmanager
def locked(file: IO) -> Iterator[None]:
    """Nobody else holds this open file meanwhile; waits for its turn. Goes on without a lock where
    the file system has none.

    Only for what is no harm when two do it at once.
    """
    with suppress(StoreError):
        _lock(file, wait=True)
    try:
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)
        with suppress(OSError):
            fcntl.lockf(file, fcntl.LOCK_UN)


def own_temporary() -> Path:
    """A folder for what the processes of this user share on this machine, that no other user can
    write to or put in its place.

    Raises
    ------
    StoreError
        Someone else has a folder of its name.
    """
    path = Path(tempfile.gettempdir()) / f"lenscal-{os.getuid()}"
    with saying(path, "made"):
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise StoreError(f"'{path}' is not a folder of this user alone; set TMPDIR to one that is")
    return path
