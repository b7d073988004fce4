"""The report: one page that can be read anywhere, its figures and tables, and every number with its derivation."""

from __future__ import annotations

import json

from lenscal.report import tables  # noqa: F401  (the queries that a number may name)
from lenscal.report.derivation import recompute, verify
from lenscal.report.inputs import Inputs
from lenscal.report.kept import NAME, Earlier, Kept
from lenscal.report.numbers import table_files, viewer_lists

__all__ = ["Inputs", "recompute", "verify", "write"]


def write(inputs: Inputs, earlier: Earlier | None = None) -> dict[str, bytes]:
    """The files of the report.

    Parameters
    ----------
    inputs : Inputs
        Products of one run.
    earlier : callable, optional
        Gives the content of a file of an earlier report by its name, None where it has none. It must have been written
        by the same code: its figures are taken where what they were drawn from is the same.

    Returns
    -------
    dict of str to bytes
        ``index.html`` (self-contained), ``figures/<name>.png`` (200 dpi) and ``.pdf``, ``figures/drawn.json`` (from
        which parts of the inputs each was drawn), ``tables/<name>.csv`` (and in
        the formats of `report.tables`), ``tables/viewer_<kind>.txt``, and ``numbers.json``: each number of the page
        with id, value, unit, printed form, query and store. The same inputs give the same bytes.

    Raises
    ------
    SchemaError, ValueError
        When the products are not as declared or do not belong together.
    """
    from lenscal.report import figures, page

    inputs.check()
    files: dict[str, bytes] = {}
    pictures: dict[str, bytes | str] = {}
    kept = Kept(inputs, earlier)
    for name, picture, vectors in figures.draw(inputs, kept):
        pictures[name] = picture
        if vectors is not None:
            files[f"figures/{name}.png"], files[f"figures/{name}.pdf"] = picture, vectors
    html, book = page.render(inputs, pictures, kept)
    files |= {
        NAME: kept.content(),
        "index.html": html,
        **table_files(book, inputs.settings.report.tables),
        **viewer_lists(book),
    }
    files["numbers.json"] = (json.dumps(book.records(), indent=1, ensure_ascii=False) + "\n").encode()
    return files
