"""The numbers that a page shows, kept with what they are called, and the tables as files."""

from __future__ import annotations

import io
from dataclasses import asdict

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


def csv_files(book: Book) -> dict[str, bytes]:
    """Every table as `tables/<name>.csv`, whole."""
    files = {}
    for name in summaries.SUMMARIES:
        table = book.derivation.table(name)
        if table is not None:
            text = io.StringIO()
            table.map(_quoted).rename(columns=_quoted).to_csv(text, index=False, lineterminator="\n")
            files[f"tables/{name}.csv"] = text.getvalue().encode()
    return files
