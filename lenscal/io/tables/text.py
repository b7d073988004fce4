"""Tables in text: CSV, TSV and ECSV, with their digits and their blanks."""

from __future__ import annotations

import gzip
import io
import warnings
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal.io import units
from lenscal.tables import ecsv, is_packed, masked

from .frames import framed
from .stated_units import CatalogueError

_FLOAT_EXACT = 2**53  # whole numbers up to here are floats, too


def text_table(path: Path, text: Collection[str], separator: str) -> pd.DataFrame:
    content = path.read_bytes()
    content = gzip.decompress(content) if is_packed(path.name) else content
    content = content.removeprefix(b"\xef\xbb\xbf")  # a byte order mark, which pandas too leaves out
    if content.startswith(b"# %ECSV"):
        return framed(ecsv(content.decode()))
    if b"\0" in content[:4096]:
        raise CatalogueError(f"catalogue '{path}' is no text: its first bytes are {content[:16]!r}; check its name")
    encoding = _encoding(content)
    comments: list[bytes] = []
    at = 0
    while content.startswith((b"#", b"\n", b"\r"), at):
        line = content[at : content.find(b"\n", at) + 1 or None]
        at += len(line)
        comments += [line.lstrip(b"# ").rstrip()] if line.startswith(b"#") else []
    lines = content[at:] if at else content
    if b"#" in lines and b"\n#" in lines:  # one byte is sought faster than two
        lines = b"\n".join(line for line in lines.split(b"\n") if not line.startswith(b"#"))
    header = lines[: lines.find(b"\n") + 1 or None].rstrip(b"\r\n")
    sign = separator.encode()
    if comments and _is_row(header, sign):  # the names stand in the last line of comment
        named = next((c for c in reversed(comments) if c.count(sign) == header.count(sign)), None)
        if named is None:
            raise CatalogueError(
                f"catalogue '{path}' begins with {len(comments)} lines of comment (#), and neither they nor the first "
                f"line after them ('{header[:60].decode(encoding)}') name its columns; write a header"
            )
        lines = named + b"\n" + lines
        header = named
    names = [name.strip().strip('"') for name in header.decode(encoding).split(separator)]
    lines, stated = _without_dashes(lines, names, separator, encoding)
    source = lambda: io.BytesIO(lines)  # noqa: E731 - each reader reads it from the start
    with warnings.catch_warnings():  # with too many cells in a row pandas would shift all columns
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(source(), sep=separator, low_memory=False, encoding=encoding, index_col=False)
        known = {name.lower() for name in text}
        numbers_ = [
            i
            for i, name in enumerate(table.columns)
            if str(name).strip().lower() in known and pd.api.types.is_numeric_dtype(table.dtypes.iloc[i])
        ]
        if numbers_:  # of names that are numbers the digits count
            texts = pd.read_csv(
                source(), sep=separator, encoding=encoding, index_col=False, usecols=numbers_, dtype=str
            )
            for i, name in zip(numbers_, texts.columns):
                table.isetitem(i, texts[name])
        for i, kind in enumerate(table.dtypes):
            if kind == np.float64:
                read = lambda i=i: pd.read_csv(  # noqa: E731
                    source(), sep=separator, encoding=encoding, index_col=False, usecols=[i], dtype=str
                ).iloc[:, 0]
                _whole(table, i, read)
    table.columns = [str(name).strip() for name in table.columns]
    table.attrs["units"] = stated
    return table


def _encoding(content: bytes) -> str:
    """Of a text; what is no UTF-8 is taken for Latin 1, which every byte is."""
    if content.isascii():
        return "utf-8"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _is_row(line: bytes, sign: bytes) -> bool:
    """Whether a line holds a number, as no header does."""
    for cell in line.split(sign):
        try:
            float(cell.strip(b' "'))
        except ValueError:
            continue
        return True
    return False


def _without_dashes(lines: bytes, names: list[str], separator: str, encoding: str) -> tuple[bytes, dict[str, str]]:
    """A table of VizieR without the lines of units and of dashes below its header, and those units by column."""
    at = -1
    for _ in range(3):
        at = lines.find(b"\n", at + 1)
        if at < 0:
            break
    head = (lines if at < 0 else lines[:at]).split(b"\n")
    below = [line.decode(encoding).rstrip("\r") for line in head[1:3]]
    ruled = [i for i, line in enumerate(below) if line.strip() and not line.replace(separator, "").strip("- ")]
    if not ruled:
        return lines, {}
    found = dict(zip(names, (cell.strip() for cell in below[0].split(separator)))) if ruled[0] == 1 else {}
    rest = lines.split(b"\n", 3 if ruled[0] == 1 else 2)[-1] if len(head) > 1 + ruled[0] and at >= 0 else b""
    return head[0] + b"\n" + rest, {name: unit for name, unit in found.items() if units.stated(unit)}


def _whole(table: pd.DataFrame, column: int, cells: Callable[[], pd.Series]) -> None:
    """A column of whole numbers with blanks, which pandas takes for floats, keeps its digits where a float has too
    few for them.
    """
    values = table.iloc[:, column].to_numpy()
    some = values[np.isfinite(values)]
    if not some.size or np.abs(some).max() < _FLOAT_EXACT or (some != np.round(some)).any():
        return
    texts = cells().str.strip()
    blank = texts.isna().to_numpy()
    if not texts[~blank].str.fullmatch(r"[+-]?\d+").all():
        return
    numbers = [0 if gone else int(cell) for cell, gone in zip(texts, blank)]
    if min(numbers) >= np.iinfo(np.int64).min and max(numbers) <= np.iinfo(np.int64).max:
        table.isetitem(column, masked(np.array(numbers, np.int64), blank))
