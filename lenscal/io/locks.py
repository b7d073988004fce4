"""Locks that keep two processes out of one folder, and go with the process."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from .folders import StoreError, is_remote, saying

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
"""What a file system without locks says to one."""


@contextmanager
def alone(
    folder: Path,
    name: str = "lock",
    taken: str = "another run (process {process}) is at work in '{above}'; wait for it or stop it",
) -> Iterator[None]:
    """Nobody else writes in this folder meanwhile; the lock goes with the process that holds it, however it ends.

    A bucket has no such lock: there it is a lease, which runs out by itself some time after its process is gone.

    Raises
    ------
    StoreError
        Another process holds it.
    """
    file = folder / name
    if is_remote(folder):
        from lenscal.io import leases

        with leases.held(file):
            yield
        return
    with saying(file, "written"):
        folder.mkdir(parents=True, exist_ok=True)
        lock = file.open("a+")
    with lock, ExitStack() as held:
        try:
            _lock(lock, wait=False)
        except BlockingIOError:
            lock.seek(0)
            raise StoreError(taken.format(process=lock.read().strip() or "unknown", above=folder.parent)) from None
        except NoLocksError:
            held.enter_context(_owned(file.with_name(f"{name}.owner"), taken))
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class NoLocksError(StoreError):
    """A file system has no locks of any kind."""


@contextmanager
def _owned(file: Path, taken: str) -> Iterator[None]:
    """The owner of a folder on a file system without locks is named in a file, which only one process can make; it goes
    at the end, and that of a process of this machine that is no more is taken over.

    Raises
    ------
    StoreError
        Another process owns the folder, or one of another machine does and may have ended: the message names the file.
    """
    me = f"{os.getpid()} {socket.gethostname()}"
    for attempt in (1, 2):
        try:
            with file.open("x") as made:
                made.write(me)
            break
        except FileExistsError:
            owner = file.read_text().split() if file.is_file() else []
            if attempt == 1 and _is_gone(owner):
                file.unlink(missing_ok=True)
                continue
            process = " on ".join(owner) or "unknown"
            raise StoreError(
                f"{taken.format(process=process, above=file.parent.parent)}; where it has ended (this file system has "
                f"no locks that would tell), remove '{file}'"
            ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            file.unlink()


def _is_gone(owner: list[str]) -> bool:
    """Whether an owner is a process of this machine that has ended; a file that was cut short names none."""
    if len(owner) != 2 or not owner[0].isdecimal():
        return not owner
    if owner[1] != socket.gethostname():
        return False
    try:
        os.kill(int(owner[0]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _lock(file: IO, wait: bool) -> None:
    """Lock an open file, by flock or, on a file system that has none, as POSIX does (fcntl), until the
    process ends or it is closed.

    Raises
    ------
    BlockingIOError
        Another process holds it, and `wait` is False.
    NoLocksError
        The file system has neither.
    StoreError
        It refuses for another reason.
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
            if error.errno not in NO_LOCKS:
                break
    kind = NoLocksError if refused.errno in NO_LOCKS else StoreError
    raise kind(
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


@contextmanager
def reading(file: Path, what: str) -> Iterator[None]:
    """Whoever replaces what this file stands for (see `alone`) is kept off meanwhile, and the other way round; nothing
    where there is no such file.

    Raises
    ------
    StoreError
        It is being replaced; `what` says what it is.
    """
    if is_remote(file) or not file.is_file():
        yield
        return
    with saying(file, "read"):
        lock = file.open("r")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"{what} is being replaced by process {lock.read().strip() or 'unknown'}; wait for it and run again"
            ) from None
        except OSError as error:  # without locks, whoever replaces it is named in a file
            if error.errno not in NO_LOCKS:
                raise
            owner = file.with_name(f"{file.name}.owner")
            if owner.is_file():
                raise StoreError(
                    f"{what} is being replaced by process {owner.read_text().strip() or 'unknown'}; wait for it and "
                    f"run again, or remove '{owner}' where it has ended"
                ) from None
        yield


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
