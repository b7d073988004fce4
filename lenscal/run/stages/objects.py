"""Objects: outside catalogues and sweeps become tables of the run."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from lenscal import schema
from lenscal.gates import Gate, Ledger
from lenscal.run import catalogue
from lenscal.run.place import Place
from lenscal.run.plan import Block, Outcome
from lenscal.run.stages.stage import Say, Stage, fingerprint, save_tables, survey_fingerprint


class Objects(Stage):
    name = "objects"
    sections = ("objects",)

    def inputs(self, place: Place) -> dict:
        settings = place.settings
        found = {"survey": survey_fingerprint(place)} if settings.survey.layout == "dr10" else {}
        catalogues = [*settings.objects.lenses, *settings.objects.contaminants]
        found |= {c.name: version("lenscat") if c.source == "lenscat" else fingerprint(c.source) for c in catalogues}
        return found | {Path(t).name: fingerprint(t) for t in settings.objects.galaxy_tables}

    def products(self, place: Place) -> list[Path]:
        return [place.path("objects")]

    def blocks(self, place: Place) -> list[Block]:
        from lenscal.io import sweeps

        if place.settings.survey.layout != "dr10":
            return []
        return [Block(sweeps.stem_of(path), {"path": str(path)}) for path in sweeps.sweep_files(place.settings.survey.root)]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        return catalogue.import_sweep(place, block.part["path"], block.name)

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import channels, objects
        from lenscal.io import catalogues, sweeps

        settings = place.settings
        ledgers = {"galaxies": sum((o.ledger for o in outcomes), Ledger(0, 0))}
        tables, told = [], []
        for item in settings.objects.lenses:
            table, ledger = objects.lens_table(catalogues.read_lenses(item), item)
            tables.append(table)
            ledgers[f"lenses.{item.name}"] = ledger
            told += catalogue.accounts(item.name, ledger, {"redshift unreadable": table.attrs["unreadable_redshifts"]})
        lenses, ledgers["lenses"] = objects.merge_lenses(
            tables, settings.objects.merge_radius_arcsec, settings.seed, settings.manifest.split_fractions
        )
        contaminants = []
        for item in settings.objects.contaminants:
            table, ledger = objects.contaminant_table(catalogues.read_contaminants(item), item)
            contaminants.append(table)
            ledgers[f"contaminants.{item.name}"] = ledger
            told += catalogue.accounts(item.name, ledger)
        contaminants = (
            pd.concat(contaminants, ignore_index=True)
            if contaminants
            else pd.DataFrame({n: pd.Series(dtype="str" if v.dtype == "str" else v.dtype) for n, v in schema.CONTAMINANTS.variables.items()})
        )
        radius = settings.objects.match_radius_arcsec
        if settings.survey.layout == "dr10":
            names = [sweeps.name_of(block.part["path"]) for block in self.blocks(place)]
            notes = catalogue.finish_import(place, names, [o.ledger for o in outcomes])
            footprint = notes["footprint"]["healpix_128"].to_numpy()
            hits, look_alikes = catalogue.meet(place, [catalogue.Targets(t, radius) for t in (lenses, contaminants)])
        else:
            notes, rows = {}, self._rows(place)
            footprint = objects.covered(rows)
            hits, look_alikes = (objects.meet(t, rows, radius) for t in (lenses, contaminants))
        matches = objects.matches_of(lenses, hits, footprint)
        crossed = channels.spectra_and_candidates(tables, settings.objects.lenses, radius)
        products = {
            "catalogues": pd.DataFrame(told, columns=["catalogue", "what", "rows"]), "crossmatch": objects.match_report(lenses, matches), "spectra": crossed, "channels": channels.ledger(lenses, matches),
            "lenses": lenses, "matches": matches, "neighbours": objects.neighbours_of(lenses, hits),
            "contaminants": objects.contaminants_of(contaminants, look_alikes), **notes,
        }  # fmt: skip
        digest = save_tables(place.path("objects"), products)
        gates = objects.gates(lenses, matches, settings.objects)
        gates += channels.gates(lenses, crossed, settings.objects.lenses)
        gates += [ledger.gate(f"objects.{name}") for name, ledger in ledgers.items()]
        if settings.survey.layout == "dr10":
            gates.append(catalogue.checksum_gate(place, dict(zip(names, outcomes))))
        return gates, ledgers, digest

    @staticmethod
    def _rows(place: Place) -> pd.DataFrame:
        """Rows of the tables that stand in for the survey."""
        from lenscal.io import catalogues

        parts = []
        for number, path in enumerate(place.settings.objects.galaxy_tables):
            table = catalogues.read_table(path)
            table = table.rename(columns=str.lower)[["ra", "dec"]].astype("float64")
            ids = (np.int64(1000 + number) << 22) + np.arange(len(table), dtype=np.int64)
            parts.append(table.assign(galaxy_id=ids))
        parts = parts or [pd.DataFrame({"ra": pd.Series(dtype=float), "dec": pd.Series(dtype=float), "galaxy_id": pd.Series(dtype="int64")})]
        return pd.concat(parts, ignore_index=True)
