"""The report: one page that can be read anywhere, its figures and tables, and every number with its derivation."""

from __future__ import annotations

import json

from lenscal.report import tables  # noqa: F401  (the queries that a number may name)
from lenscal.report.derivation import recompute, verify
from lenscal.report.inputs import Inputs
from lenscal.report.numbers import csv_files

__all__ = ["Inputs", "recompute", "verify", "write"]


def write(inputs: Inputs) -> dict[str, bytes]:
    """The files of the report.

    Parameters
    ----------
    inputs : Inputs
        Products of one run.

    Returns
    -------
    dict of str to bytes
        ``index.html`` (self-contained), ``figures/<name>.png`` (200 dpi) and ``.pdf``, ``tables/<name>.csv``, and
        ``numbers.json``: each number of the page with id, value, unit, printed form, query and store. The same inputs
        give the same bytes.

    Raises
    ------
    SchemaError, ValueError
        When the products are not as declared or do not belong together.
    """
    from lenscal.report import figures, page

    inputs.check()
    files: dict[str, bytes] = {}
    pictures: dict[str, bytes | str] = {}
    for name, picture, vectors in figures.draw(inputs):
        pictures[name] = picture
        if vectors is not None:
            files[f"figures/{name}.png"], files[f"figures/{name}.pdf"] = picture, vectors
    html, book = page.render(inputs, pictures)
    files |= {"index.html": html, **csv_files(book)}
    files["numbers.json"] = (json.dumps(book.records(), indent=1, ensure_ascii=False) + "\n").encode()
    return files
