"""How many rows a file that cannot be read whole has: promised by the header of a FITS table, and held by its bytes."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from astropy.io import fits

_BLOCK = 2880
_BROKEN = (OSError, EOFError, ValueError, TypeError, KeyError, zlib.error, fits.VerifyError)


@dataclass(frozen=True)
class Table:
    """A table of a FITS file; `hdu` has its header and columns, no data."""

    hdu: fits.BinTableHDU
    start: int
    """Byte that its first row begins at."""

    @property
    def rows(self) -> int:
        return self.hdu.header["NAXIS2"]

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.hdu.header["NAXIS1"]

    @property
    def end(self) -> int:
        """Byte after its last row."""
        return self.start + self.width * self.rows

    def held(self, size: int) -> int:
        """Whole rows in the first `size` bytes of the file."""
        return min(max(size - self.start, 0) // self.width, self.rows) if self.width else self.rows


def first_table(file: BinaryIO, extension: str | None = None) -> Table | None:
    """The first table, or the first of a name; None where there is none. Nothing behind its header is read.

    Raises
    ------
    OSError, EOFError, ValueError
        It does not begin as FITS does, or ends within a header.
    """
    file.seek(0)
    if file.read(6) != b"SIMPLE":
        raise OSError("it does not begin as a FITS file does")
    at = 0
    while True:
        file.seek(at)
        if not file.read(1):
            return None
        file.seek(at)
        header = fits.Header.fromfile(file)
        start = file.tell()
        if header.get("XTENSION", "").strip() == "BINTABLE" and extension in (None, header.get("EXTNAME", "").strip()):
            return Table(fits.BinTableHDU.fromstring(header.tostring().encode()), start)
        axes = [header[f"NAXIS{i + 1}"] for i in range(header["NAXIS"])]
        content = (
            abs(header["BITPIX"])
            // 8
            * header.get("GCOUNT", 1)
            * (header.get("PCOUNT", 0) + (math.prod(axes) if axes else 0))
        )
        at = start + -(-content // _BLOCK) * _BLOCK


def told(file: BinaryIO, packed: bool, extension: str | None = None) -> str:
    """How many rows of a file that cannot be read whole are there, in words; `packed` by gzip."""
    try:
        file.seek(0)
        content = gzip.GzipFile(fileobj=file) if packed else file
        table = first_table(content, extension)
    except _BROKEN:
        return "its header cannot be read, nor any row"
    if table is None:
        return "it has no table, nor any row"
    return f"{table.held(_length(content, packed)):,} of the {table.rows:,} rows that its header promises are there"


def lines(file: BinaryIO, packed: bool) -> int:
    """Lines of a text that can be read."""
    file.seek(0)
    return sum(part.count(b"\n") for part in _parts(gzip.GzipFile(fileobj=file) if packed else file))


def _length(content: BinaryIO, packed: bool) -> int:
    """Bytes of a file; of a packed one those that can be unpacked."""
    return sum(map(len, _parts(content))) if packed else content.seek(0, 2)


def _parts(content: BinaryIO) -> Iterator[bytes]:
    """A file from its beginning, as far as it can be read."""
    try:
        content.seek(0)
        while part := content.read1(1 << 20):
            yield part
    except _BROKEN:
        return
