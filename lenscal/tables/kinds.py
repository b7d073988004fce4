"""What kind of table a file is, by its name: in any case of letters, gzipped or not."""

from __future__ import annotations

_KINDS = {
    "fits": (".fits", ".fit", ".fits.fz"),
    "csv": (".csv", ".txt"),
    "tsv": (".tsv", ".tab"),
    "ecsv": (".ecsv",),
    "votable": (".vot", ".votable", ".xml"),
    "parquet": (".parquet", ".pq"),
}
SUFFIXES = tuple(suffix for suffixes in _KINDS.values() for suffix in suffixes)
"""Endings that are known; each may be followed by .gz."""


def is_packed(name: str) -> bool:
    """Whether a file is gzipped."""
    return name.lower().endswith(".gz")


def kind_of(name: str) -> str | None:
    """The kind of a table: fits, csv, tsv, ecsv, votable or parquet; None of another file."""
    name = name.lower().removesuffix(".gz")
    return next((kind for kind, suffixes in _KINDS.items() if name.endswith(suffixes)), None)
