"""Objects: outside catalogues and sweeps become tables of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from lenscal.engine import Block, Outcome, Stage
from lenscal.engine.stage import Say
from lenscal.gates import Gate, Ledger
from lenscal.run.place import Place
from lenscal.run.stages.stage import fingerprint, fingerprints, save_tables, sweeps_fingerprint


class Objects(Stage):
    name = "objects"
    sections = ("objects", "manifest.split_fractions")

    def inputs(self, place: Place) -> dict:
        settings = place.settings
        catalogues = [*settings.objects.lenses, *settings.objects.contaminants]
        return {
            "sweeps": sweeps_fingerprint(place) if place.survey.has_catalogue else "",
            "catalogues": {
                c.name: f"lenscat {version('lenscat')}" if c.source == "lenscat" else fingerprint(c.source)
                for c in catalogues
            },
            "galaxy_tables": fingerprints(settings.objects.galaxy_tables),
        }

    def check(self, place: Place) -> None:
        if not place.survey.has_catalogue:  # a catalogue needs no coadds
            place.survey.check()

    def products(self, place: Place) -> list[Path]:
        return [place.path("objects")]

    def blocks(self, place: Place) -> list[Block]:
        from lenscal.io import sweeps

        if not place.survey.has_catalogue:
            return []
        return [
            Block(sweeps.stem_of(path), {"path": str(path)}) for path in sweeps.sweep_files(place.settings.survey.root)
        ]

    def work(self, place: Place, block: Block, say: Say = lambda text: None) -> Outcome:
        from lenscal.run import catalogue  # here: a finished run is looked at without its readers

        return catalogue.import_sweep(place, block.part["path"], block.name)

    def sources(self, place: Place, known: Mapping[str, str]) -> dict[str, str]:
        """Of sweeps: the SHA-256 that the survey published, and the version of the file."""
        from lenscal.run import published

        return published.checksums_of(place, known)

    def renewed(self, place: Place, block: Block, outcome: Outcome) -> Outcome | None:
        from lenscal.run import published

        return published.verified(place, block.part["path"], outcome)

    def finish(self, place: Place, outcomes: Sequence[Outcome]) -> tuple[list[Gate], dict[str, Ledger], int]:
        from lenscal import objects
        from lenscal.io import sweeps
        from lenscal.objects import channels
        from lenscal.run import catalogue, outside, scanning

        settings, found = place.settings, outside.read(place.settings)
        lenses, contaminants = found.lenses, found.contaminants
        of_tables: list[Gate] = []
        ledgers = {"galaxies": sum((o.ledger for o in outcomes), Ledger(0, 0)), **found.ledgers}
        radius = settings.objects.match_radius_arcsec
        if place.survey.has_catalogue:
            names = [sweeps.name_of(block.part["path"]) for block in self.blocks(place)]
            notes = catalogue.finish_import(place, names, [o.ledger for o in outcomes])
            footprint = notes["footprint"]["healpix_128"].to_numpy()
            hits, look_alikes = scanning.meet(place, [scanning.Targets(t, radius) for t in (lenses, contaminants)])
        else:
            notes = {}
            rows, ledgers["galaxies"], of_tables = outside.stand_ins(settings)
            footprint = objects.covered(rows)
            hits, look_alikes = (objects.meet(t, rows, radius) for t in (lenses, contaminants))
        matches = objects.matches_of(lenses, hits, footprint)
        crossed = channels.spectra_and_candidates(found.tables, settings.objects.lenses, radius)
        products = {
            "catalogues": found.accounts,
            "crossmatch": objects.match_report(lenses, matches),
            "spectra": crossed,
            "channels": channels.ledger(lenses, matches),
            "lenses": lenses,
            "matches": matches,
            "neighbours": objects.neighbours_of(lenses, hits),
            "contaminants": objects.contaminants_of(contaminants, look_alikes),
            **notes,
        }
        digest = save_tables(place.path("objects"), products)
        gates = objects.gates(lenses, matches, settings.objects)
        gates += [*found.gates(footprint, settings), *of_tables]
        gates += channels.gates(lenses, crossed, settings.objects.lenses)
        gates += [ledger.gate(f"objects.{name}") for name, ledger in ledgers.items()]
        if place.survey.has_catalogue:
            gates += [*catalogue.file_gates(place, dict(zip(names, outcomes))), catalogue.brick_gate(place, names)]
        return gates, ledgers, digest
