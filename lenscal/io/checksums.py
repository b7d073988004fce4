"""Checksums that a survey publishes beside its files, and files that are held against theirs while they are read."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from lenscal.errors import LenscalError
from lenscal.io import folders, remote
from lenscal.io.regions import region_of
from lenscal.io.wrapped import Wrapped

_LISTS = re.compile(r"(.*\.sha256sum|sha256sums\.txt|SHA256SUMS)$")
_LINE = re.compile(r"(?P<digest>[0-9a-fA-F]{64}) [ *](?P<name>.+)")


class ChecksumError(LenscalError, ValueError):
    """A file that is not the one that was published, or a list that is none."""


def published(files: Iterable[Path | str], root: Path | str) -> dict[str, str]:
    """SHA-256 of files, by name, from the lists (``*.sha256sum``, sha256sums.txt) beside them and
    at the root of the survey.

    A list is what `sha256sum` writes: the digest, two blanks (or a blank and a star), the path. A file that no list
    names is left out, and so are lines of the folder of another region than that of the files.

    Raises
    ------
    ChecksumError
        When a line of a list is of another form, or two lists disagree on a file.
    """
    wanted = {str(path).rsplit("/", 1)[-1] for path in files}
    found: dict[str, tuple[str, str]] = {}
    for name, digest, address in _entries(files, root):
        if name in wanted and found.setdefault(name, (digest, address))[0] != digest:
            raise ChecksumError(
                f"'{address}' and '{found[name][1]}' give other checksums of '{name}'; keep "
                "the list of the sweeps at hand"
            )
    return {name: digest for name, (digest, _) in found.items()}


def names(files: Iterable[Path | str], root: Path | str) -> set[str]:
    """Every name in the lists that `published` looks at."""
    return {name for name, _, _ in _entries(files, root)}


def _entries(files: Iterable[Path | str], root: Path | str) -> Iterator[tuple[str, str, str]]:
    """Name, digest and list of each line of the lists beside some files and at the root, but for lines of sweeps of
    another region than theirs.
    """
    files = list(files)
    regions = {"", *map(region_of, files)}
    for place in sorted({str(path).rsplit("/", 1)[0] for path in files} | {str(root).rstrip("/")}):
        for address, text in _lists(place):
            for number, line in enumerate(text.splitlines(), 1):
                if not line.strip() or line.startswith("#"):
                    continue
                match = _LINE.fullmatch(line.strip())
                if match is None:
                    raise ChecksumError(
                        f"'{address}', line {number}, is {line[:80]!r}; expected a SHA-256 of 64 digits and a file name"
                    )
                if region_of(match["name"].strip()) in regions or len(regions) == 1:
                    yield match["name"].strip().rsplit("/", 1)[-1], match["digest"].lower(), address


def _lists(place: str) -> Iterator[tuple[str, str]]:
    if not remote.is_remote(place):
        folder = Path(place)
        if folder.is_dir():
            for path in sorted(path for path in folder.iterdir() if _LISTS.fullmatch(path.name) and path.is_file()):
                with folders.saying(path, "read"):
                    text = path.read_text(errors="replace")
                yield str(path), text
        return
    files, inside = remote.filesystem(place)
    try:
        found = remote.patiently(f"'{place}'", lambda: files.ls(inside, detail=False))
    except FileNotFoundError:
        return
    for name in sorted(name for name in found if _LISTS.fullmatch(name.rsplit("/", 1)[-1])):
        yield (
            files.unstrip_protocol(name),
            remote.patiently(f"'{name}'", lambda name=name: files.cat_file(name)).decode(errors="replace"),
        )


class Hashed(Wrapped):
    """A file that is hashed while it is read from begin to end; what was jumped over is read when
    the digest is asked for.
    """

    def __init__(self, file: io.IOBase) -> None:
        super().__init__(file)
        self._hash, self._hashed = hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        start = self._file.tell()
        content = self._file.read(size)
        if start <= self._hashed < start + len(content):
            self._hash.update(memoryview(content)[self._hashed - start :])
            self._hashed = start + len(content)
        return content

    def hexdigest(self) -> str:
        """SHA-256 of the whole file."""
        self.seek(self._hashed)
        while self.read(1 << 22):
            pass
        return self._hash.hexdigest()
