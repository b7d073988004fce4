"""The outside catalogues of a run: read, joined, and every row of theirs counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.config import ContaminantCatalogue, LensCatalogue, Settings
from lenscal.gates import Gate, Ledger


@dataclass(frozen=True)
class Outside:
    """Lenses of each catalogue and of all, look-alikes of all, ledgers by name, and the accounts: catalogue, file,
    what, rows; each catalogue's table by name.
    """

    tables: list[pd.DataFrame]
    lenses: pd.DataFrame
    contaminants: pd.DataFrame
    ledgers: dict[str, Ledger]
    accounts: pd.DataFrame
    read: dict[str, pd.DataFrame]

    def gates(self, footprint: np.ndarray, settings: Settings) -> list[Gate]:
        """Of each catalogue, before anything of it was joined: rows, their usable share, rows inside the footprint
        (nside-128 nested pixels).
        """
        from lenscal import objects

        found = []
        for name, table in self.read.items():
            found += objects.catalogue_gates(name, self.ledgers[name], settings.objects)
            found.append(objects.footprint_gate(name, table, footprint, settings.objects))
        return found


def read(settings: Settings) -> Outside:
    """What the run file names.

    Raises
    ------
    CatalogueError, ObjectsError
        A catalogue that cannot be used, by name, with its rows.
    """
    from lenscal import objects
    from lenscal.io.tables import lenses as catalogues

    tables, contaminants, ledgers, told = [], [], {}, []
    for item in settings.objects.lenses:
        table, ledgers[f"lenses.{item.name}"] = objects.lens_table(catalogues.read_lenses(item), item)
        tables.append(table)
    lenses, ledgers["lenses"] = objects.merge_lenses(
        tables, settings.objects.merge_radius_arcsec, settings.seed, settings.manifest.split_fractions
    )
    for item, table in zip(settings.objects.lenses, tables):
        more = {
            "redshift unreadable": table.attrs["unreadable_redshifts"],
            "merged into another entry": lenses.attrs["merged"].get(item.name, 0),
        }
        told += _accounts(item, ledgers[f"lenses.{item.name}"], more)
    for item in settings.objects.contaminants:
        table, ledger = objects.contaminant_table(catalogues.read_contaminants(item), item)
        contaminants.append(table)
        ledgers[f"contaminants.{item.name}"] = ledger
        told += _accounts(item, ledger)
    kinds = {n: "str" if v.dtype == "str" else v.dtype for n, v in schema.CONTAMINANTS.variables.items()}
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
    joined = pd.concat(contaminants, ignore_index=True) if contaminants else none
    names = [f"lenses.{item.name}" for item in settings.objects.lenses] + [
        f"contaminants.{item.name}" for item in settings.objects.contaminants
    ]
    accounts = pd.DataFrame(told, columns=["catalogue", "file", "what", "rows"])
    return Outside(tables, lenses, joined, ledgers, accounts, dict(zip(names, [*tables, *contaminants])))


def _accounts(
    item: LensCatalogue | ContaminantCatalogue, ledger: Ledger, more: Mapping[str, int] | None = None
) -> list[dict]:
    """Rows of a catalogue: in, out, dropped by reason, and what else is to be said of some of those that stayed."""
    counts = {"in": ledger.rows_in, "out": ledger.rows_out, **dict(sorted(ledger.dropped.items())), **(more or {})}
    return [
        {"catalogue": item.name, "file": Path(item.source).name, "what": what, "rows": rows}
        for what, rows in counts.items()
    ]


def stand_ins(settings: Settings) -> tuple[pd.DataFrame, Ledger, list[Gate]]:
    """Rows of the tables that stand in for the survey: ra, dec [degree], galaxy_id; their ledger, and
    the gates of each table.

    Raises
    ------
    CatalogueError, ObjectsError
        A table that cannot be read, has no ra and dec, or no row with a position.
    """
    from lenscal import objects
    from lenscal.io.tables import lenses as catalogues

    parts, ledger = (
        [
            pd.DataFrame(
                {"ra": pd.Series(dtype=float), "dec": pd.Series(dtype=float), "galaxy_id": pd.Series(dtype="int64")}
            )
        ],
        Ledger(0, 0),
    )
    gates: list[Gate] = []
    for number, item in enumerate(settings.objects.galaxy_tables):
        path = item if isinstance(item, str) else item.source
        raw = catalogues.read_stand_ins(item)
        table, part = objects.stand_ins(raw, f"table '{path}' (objects.galaxy_tables)", number)
        parts.append(table)
        ledger += part
        gates += objects.catalogue_gates(f"tables.{number}.{Path(path).name}", part, settings.objects)
    return pd.concat(parts, ignore_index=True), ledger, gates
