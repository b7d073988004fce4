"""A block of work, and what it left behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lenscal.gates import Gate, Ledger


@dataclass(frozen=True)
class Block:
    """One unit of work; its name is its marker's."""

    name: str
    part: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a block left behind: its digest, counts, its rows in and out, a hash of the versions of its files, and
    what else is known of it.

    `written` has the files of a block that fills no store: place below the run's folder -> hash of the content.
    `sources` has the version of each outside source that it read.
    """

    digest: int
    rows: int = 0
    ledger: Ledger | None = None
    gates: tuple[Gate, ...] = ()
    files: str = ""
    summary: Mapping[str, Any] | None = None
    written: Mapping[str, str] | None = None
    sources: Mapping[str, str] = field(default_factory=dict)
