"""Files and folders, on this machine or in a bucket: written whole or not at all, listed with what tells one
version of a file from another.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lenscal.errors import LenscalError

_CHUNK = 1 << 22


class StoreError(LenscalError, RuntimeError):
    """A store that cannot be used or written; the message says what was found and what to do."""


def is_remote(path: object) -> bool:
    """In a bucket, not on a disk of this machine."""
    return hasattr(path, "storage_options") and getattr(path, "protocol", "") not in ("", "file", "local")


class DiskError(StoreError):
    """The disk or the bucket refused: what lies there is not known, and is not to be taken for absent."""


@contextmanager
def saying(path: object, what: str) -> Iterator[None]:
    """Turn what the disk or the bucket refuses into one sentence; `what` is "written", "read" ..."""
    try:
        yield
    except StoreError:
        raise
    except Exception as error:
        far = type(error).__module__.split(".")[0] in ("botocore", "aiobotocore", "aiohttp")
        if not far and not isinstance(error, OSError):
            raise
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        advice = (
            "check the bucket, its endpoint and your rights"
            if is_remote(path)
            else "check the folder's rights and space"
        )
        raise DiskError(f"'{path}' cannot be {what}: {reason}; {advice}") from error


def pass_on(error: BaseException, path: object) -> None:
    """Raise what the disk refused while a file was read; return where it is the content that is of no use.

    Whoever counts a broken file, or does without it, would count a disk that failed for a moment, and keep it so.

    Raises
    ------
    DiskError
        The error has a number of the system, other than that there is no such file.
    """
    if (
        isinstance(error, OSError)
        and error.errno is not None
        and not isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError))
    ):
        raise DiskError(
            f"'{path}' cannot be read: {error.strerror or error}; check the disk and your "
            "rights, and run again to go on"
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either there whole or not there at all (in a bucket: one PUT)."""
    with saying(path, "written"):
        if is_remote(path):
            path.write_bytes(content)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def in_place(path: Path) -> Iterator[Path]:
    """A folder to be written that takes the place of another at once (in a bucket, which cannot rename:
    after the other is removed).
    """
    if is_remote(path):
        remove(path)
        yield path
        return
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        remove(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or folder if it is there."""
    with saying(path, "removed"):
        if is_remote(path):
            if path.exists():
                path.fs.rm(path.path, recursive=True)
        elif path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def discard(path: Path, names: Iterable[str]) -> None:
    """Remove these files of a folder, as far as they are there."""
    with saying(path, "removed"):
        if is_remote(path):
            there = [name for name, version in versions(path, names).items() if version != "absent"]
            if there:
                path.fs.rm([f"{path.path.rstrip('/')}/{name}" for name in there])
            return
        for name in names:
            (path / name).unlink(missing_ok=True)


def inventory(path: Path) -> dict[str, str]:
    """Every file of a folder (or the file itself, as ``""``) with its version: size and time of change, or
    size and ETag in a bucket.
    """
    if is_remote(path):
        found = path.fs.find(path.path, detail=True)
        base = path.path.rstrip("/")
        return {name[len(base) :].lstrip("/"): version(info) for name, info in found.items()}
    if path.is_file():
        return {"": _local(path.stat())}
    with saying(path, "read"):
        return dict(_walk(str(path), "")) if path.is_dir() else {}


def matching(folder: Path, pattern: str) -> list[Path]:
    """What lies below a folder under names of a pattern (``dataset/Norder=*/*.parquet``; ``**`` is the folder and
    all below it), in order.

    `Path.glob` takes a folder that it may not list for an empty one, and what is in it is then left out without a word.

    Raises
    ------
    DiskError
        A folder cannot be listed. One that is not there is empty.
    """
    if is_remote(folder):
        with saying(folder, "listed"):
            return sorted(folder.glob(pattern))
    return sorted(_matching(str(folder), pattern.split("/")))


def _matching(folder: str, parts: Sequence[str]) -> Iterator[Path]:
    with saying(folder, "listed"):
        try:
            with os.scandir(folder) as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return
    if parts[0] == "**":
        yield from _matching(folder, parts[1:])
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _matching(entry.path, parts)
        return
    for entry in entries:
        if fnmatch.fnmatchcase(entry.name, parts[0]):
            if len(parts) == 1:
                yield Path(entry.path)
            elif entry.is_dir():
                yield from _matching(entry.path, parts[1:])


def versions(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Of these files of a folder, as `inventory` gives them; ``"absent"`` where there is none."""
    names = list(names)
    if not is_remote(path):
        return {name: _one(path / name) for name in names}

    def ask(name: str) -> str:
        try:
            return version(path.fs.info(f"{path.path.rstrip('/')}/{name}", refresh=True))
        except FileNotFoundError:
            return "absent"

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(names, pool.map(ask, names)))


def _one(path: Path) -> str:
    try:
        return _local(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return "absent"


def options(path: Path) -> dict[str, Any] | None:
    """What fsspec needs to know of a bucket; None for a folder."""
    return dict(path.storage_options) if is_remote(path) else None


def _local(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def version(info: dict[str, Any]) -> str:
    """Of a file in a bucket or at an address, from what fsspec says of it; it ends in None where that has no
    mark of its content or time.
    """
    return f"{info.get('size')} {info.get('ETag') or info.get('LastModified') or info.get('mtime')}"


def _walk(folder: str, prefix: str) -> Iterator[tuple[str, str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{prefix}{entry.name}/")
            else:
                yield f"{prefix}{entry.name}", _local(entry.stat())


def holds(path: Path) -> str:
    """What lies in a folder, in words for a message: its first names."""
    if not path.is_dir():
        return "there is no such folder"
    names = sorted(entry.name for entry in path.iterdir())
    return (
        "it is empty"
        if not names
        else f"it holds {', '.join(names[:5])}" + (f" and {len(names) - 5:,} more" if len(names) > 5 else "")
    )


def contents(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Hash of the content of these files of a folder; ``"absent"`` where there is none."""
    names = list(names)

    def one(name: str) -> str:
        total, place = hashlib.blake2b(digest_size=16), path / name if name else path
        with saying(place, "read"):
            try:
                with place.open("rb") as file:
                    while part := file.read(_CHUNK):
                        total.update(part)
            except (FileNotFoundError, NotADirectoryError):
                return "absent"
        return total.hexdigest()

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(one, names)))
