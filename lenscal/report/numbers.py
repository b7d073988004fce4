"""The numbers that a page shows, kept with what they are called, and the tables as files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from lenscal.report import summaries
from lenscal.report.inputs import Inputs

from .derivation import Derivation, Number, identify


class Book:
    """The numbers that were printed, in order, each once."""

    def __init__(self, inputs: Inputs) -> None:
        self.derivation = Derivation(inputs)
        self.numbers: dict[str, Number] = {}

    def look_up(self, name: str, /, **arguments: object) -> Number:
        """Derive a number and note that it was printed."""
        id = identify(name, arguments)
        if id not in self.numbers:
            self.numbers[id] = self.derivation.number(id)
        return self.numbers[id]

    def records(self) -> list[dict]:
        """As in `numbers.json`."""
        return [asdict(number) for number in self.numbers.values()]


def _quoted(cell: object) -> object:
    """Text that a spreadsheet would take for a formula, behind an apostrophe; a carriage return, which would
    end the row, as a blank.
    """
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")
    return f"'{text}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else text


FORMATS = {"votable": ("vot", "votable"), "fits": ("fits", "fits"), "ecsv": ("ecsv", "ascii.ecsv")}
"""Ending of a file, and what astropy calls the format."""


def table_files(book: Book, formats: Sequence[str] = ()) -> dict[str, bytes]:
    """Every table, whole, as `tables/<name>.csv` and in further formats of `FORMATS`."""
    files = {}
    for name in summaries.SUMMARIES:
        table = book.derivation.table(name)
        if table is not None:
            text = io.StringIO()
            table.map(_quoted).rename(columns=_quoted).to_csv(text, index=False, lineterminator="\n")
            files[f"tables/{name}.csv"] = text.getvalue().encode()
            files |= {f"tables/{name}.{FORMATS[kind][0]}": _written(table, kind) for kind in formats}
    return files


def viewer_lists(book: Book) -> dict[str, bytes]:
    """Each gallery as a list of name, RA and Dec [degree], which viewers of the survey take
    (`tables/viewer_<kind>.txt`).
    """
    files, gallery = {}, book.derivation.table("gallery")
    for kind, rows in gallery.groupby("kind", sort=False) if gallery is not None else ():
        lines = (
            f"{number:03d}-{id_} {ra:.6f} {dec:.6f}\n"
            for number, id_, ra, dec in rows[["number", "galaxy_id", "ra", "dec"]].itertuples(index=False)
        )
        files[f"tables/viewer_{str(kind).replace(' ', '_')}.txt"] = "".join(lines).encode()
    return files


def _written(table: pd.DataFrame, kind: str) -> bytes:
    """A table in a format of astropy; a column of texts and numbers is one of texts."""
    from astropy.table import Table

    plain = {str(name): _plain(column) for name, column in table.items()}
    if kind == "fits":  # which holds ASCII alone
        plain = {name: _ascii(column) if column.dtype.kind == "U" else column for name, column in plain.items()}
    file = io.StringIO() if kind == "ecsv" else io.BytesIO()
    Table(plain).write(file, format=FORMATS[kind][1])
    found = file.getvalue()
    return found.encode() if isinstance(found, str) else found


def _ascii(column: np.ndarray) -> np.ndarray:
    signs = {"\u2265": ">=", "\u2264": "<=", "\u2212": "-", "\u2033": "arcsec"}
    told = column.tolist()
    for sign, text in signs.items():
        told = [one.replace(sign, text) for one in told]
    return np.array([one.encode("ascii", "replace") for one in told], dtype=bytes)


def _plain(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    return np.array(["" if one is None or one is pd.NA or one != one else str(one) for one in column], dtype=str)
